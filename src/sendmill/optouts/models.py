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

    The foreign key is not a constraint in the database: for that, PostgreSQL looked at the client once for each row of
    a file, a quarter of its time.

    `campaign_object_id` is the campaign whose message had the link, "" for other sources and when that isn't known.
    """

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+", db_constraint=False)
    email = models.CharField(max_length=320)
    email_key = models.CharField(max_length=320)
    source = models.CharField(max_length=10, choices=Source.choices, db_default=Source.UNKNOWN)
    campaign_object_id = models.CharField(max_length=24, default="", db_default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["client", "email_key"], name="one_optout_per_address")]

    def __str__(self) -> str:
        return self.email


class OptOutChange(models.Model):
    """Somebody opted out by the link in a message, or took that back, or an opt-out was removed in the dashboard.

    For the day somebody asks. `changed_by` is the dashboard's user and `reason` what they gave; the recipient's own
    change has neither.
    """

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    email_key = models.CharField(max_length=320)
    is_opted_out = models.BooleanField()
    campaign_object_id = models.CharField(max_length=24)
    changed_by = models.CharField(max_length=254, default="", db_default="")
    reason = models.TextField(default="", db_default="")
    changed_on = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["client", "email_key"], name="changes_of_address")]

    def __str__(self) -> str:
        return f"{self.email_key} {'opted out' if self.is_opted_out else 'opted in again'}"


class Suppression(models.Model):
    """The digest of an erased person's address. `secret_id` tells with which secret it was made (`suppressions`)."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+", db_index=False)
    digest = models.CharField(max_length=40)
    secret_id = models.CharField(max_length=8)
    suppressed_on = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["client", "digest"], name="one_suppression_per_digest")]

    def __str__(self) -> str:
        return f"{self.digest} of client {self.client_id}"
