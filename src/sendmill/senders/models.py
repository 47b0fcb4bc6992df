"""Registered from-addresses."""

from django.db import models

from sendmill.accounts.models import ClientResource


class Sender(ClientResource):
    """An address that a client's campaigns may be sent from."""

    description = models.TextField()
    email = models.CharField(max_length=320)

    def __str__(self) -> str:
        return self.email
