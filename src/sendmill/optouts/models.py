"""Addresses that a client must never mail."""

from django.db import models

from sendmill.accounts.models import Client, ClientResource


class Source(models.TextChoices):
    """Where an opt-out came from. Unknown are those from before this was kept."""

    UNKNOWN = "unknown"
    API = "api"
    FILE = "file"
    LINK = "link"
    DASHBOARD = "dashboard"


class OptOut(ClientResource):
    """One opted-out address. `email` is as it was written, `email_key` is what is compared.

    `campaign_object_id` is the campaign whose message had the link, "" for other sources and when that isn't known.
    """

    email = models.CharField(max_length=320)
    email_key = models.CharField(max_length=320)
    source = models.CharField(max_length=10, choices=Source.choices, db_default=Source.UNKNOWN)
    campaign_object_id = models.CharField(max_length=24, default="", db_default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["client", "email_key"], name="one_optout_per_address")]

    def __str__(self) -> str:
        return self.email


class OptOutChange(models.Model):
    """What a recipient did by the link in a message: opted out, or took that back. For the day somebody asks."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    email_key = models.CharField(max_length=320)
    is_opted_out = models.BooleanField()
    campaign_object_id = models.CharField(max_length=24)
    changed_on = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["client", "email_key"], name="changes_of_address")]

    def __str__(self) -> str:
        return f"{self.email_key} {'opted out' if self.is_opted_out else 'took it back'}"
