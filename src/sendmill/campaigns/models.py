"""Campaigns: which message goes to which group, from whom, and when."""

from django.db import models

from sendmill.accounts.models import Client, ClientResource, User
from sendmill.contacts.models import ContactSet, Import


class Status(models.TextChoices):
    """The status that the API shows. `cancelled` and `completed` are final."""

    ACTIVE = "active"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    COMPLETED = "completed"


class Phase(models.TextChoices):
    """How far the work is, whatever the status: waiting → expanding → sending → closed."""

    WAITING = "waiting"
    EXPANDING = "expanding"
    SENDING = "sending"
    CLOSED = "closed"


class Campaign(ClientResource):
    """A campaign.

    The ids of group, sender and message are kept as text and not as foreign keys: the API goes on showing them
    after those are deleted. `start_wall_clock` is the posted `yyyy-MM-dd HH:mm` in `timezone`; `starts_at` is the
    instant that it means. `expiry_seconds` is how long it retries, None for SENDMILL_EXPIRY_SECONDS; `expires_at`
    is the moment that this comes to. The `frozen_…` columns are what the campaign sends: copied when it starts.
    """

    contact_group_object_id = models.CharField(max_length=24)
    sender_object_id = models.CharField(max_length=24)
    message_object_id = models.CharField(max_length=24)
    name = models.TextField()
    start_wall_clock = models.CharField(max_length=16)
    timezone = models.CharField(max_length=64)
    starts_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    expiry_seconds = models.FloatField(null=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ACTIVE)
    phase = models.CharField(max_length=10, choices=Phase.choices, default=Phase.WAITING)

    frozen_subject = models.TextField(default="")
    frozen_body = models.TextField(default="")
    frozen_sender = models.CharField(max_length=320, default="")
    contact_set = models.ForeignKey(ContactSet, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        indexes = [
            models.Index(fields=["phase", "starts_at"], name="campaigns_by_phase"),
            models.Index(fields=["client", "id"], name="campaigns_of_client"),
        ]

    def __str__(self) -> str:
        return self.name


class CampaignDraft(models.Model):
    """A campaign that somebody is putting together, as far as they have come: one for each user and client.

    `attributes` is the text of what will be posted (API.md, "Campaign attributes."), a section for each step that is
    done. A list that was uploaded is in `staged_import`; `file_name` and `preview` (JSON) are what is shown of it.
    """

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    attributes = models.TextField(default="{}")
    staged_import = models.ForeignKey(Import, on_delete=models.SET_NULL, null=True, related_name="+")
    file_name = models.CharField(max_length=255, default="")
    preview = models.TextField(default="{}")
    modified_on = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["client", "user"], name="one_draft_per_user")]

    def __str__(self) -> str:
        return f"draft of {self.user_id}"
