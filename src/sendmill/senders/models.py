"""Registered from-addresses, and the DKIM keys of their domains."""

from django.db import models

from sendmill.accounts.models import Client, ClientResource


class Sender(ClientResource):
    """An address that a client's campaigns may be sent from."""

    description = models.TextField()
    email = models.CharField(max_length=320)

    def __str__(self) -> str:
        return self.email


class DkimKey(models.Model):
    """A DKIM key of a sending domain (see `dkim_keys`). `domain` is in lower case, as A-labels.

    `client` is whose mail it signs, None for everybody's.
    """

    domain = models.CharField(max_length=253)
    selector = models.CharField(max_length=63)
    algorithm = models.CharField(max_length=7)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, null=True, related_name="+")
    encrypted_key = models.TextField()
    created_on = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["domain", "selector"], name="one_dkim_key_a_selector")]

    def __str__(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"
