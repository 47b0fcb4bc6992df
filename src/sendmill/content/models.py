"""Messages: what campaigns say."""

from django.db import models

from sendmill.accounts.models import ClientResource


class Message(ClientResource):
    """A message template. `description` is the subject, as the API has it."""

    description = models.TextField()
    email_message = models.TextField()

    def __str__(self) -> str:
        return self.description
