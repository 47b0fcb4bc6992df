"""Addresses that a client must never mail."""

from django.db import models

from sendmill.accounts.models import ClientResource


class OptOut(ClientResource):
    """One opted-out address. `email` is as it was written, `email_key` is what is compared."""

    email = models.CharField(max_length=320)
    email_key = models.CharField(max_length=320)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["client", "email_key"], name="one_optout_per_address")]

    def __str__(self) -> str:
        return self.email
