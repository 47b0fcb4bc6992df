"""What happens to a campaign: its status, its start, the end of its expansion, its close.

`status` is what users see and set, `phase` is how far the work is (see `models`). Every function that changes a
campaign does so in one transaction that first locks the campaign, so that whatever many nodes call it, it happens
once.

A campaign's lock is an advisory one on PostgreSQL: shared by workers that mark recipients (`hold_status`), alone by
whoever changes the campaign. Row locks know no queue: with 16 workers that each hold the row FOR SHARE half of the
time, a pause took up to 25 s, because new sharers overtake whoever waits to change it. In line it takes 9 ms at most,
and 13 ms with 32 workers.

Order of locks, for the whole product (on SQLite a transaction has the database to itself):

    expansion → campaign → sender → message → contact group → contact set → import

- `start` takes a campaign, then its group, then the group's set.
- `finish_expansion` takes a campaign, then its set; the expansion that calls it is locked already.
- `creation` takes sender, message and group, then its import, and inserts what nobody else can see yet.
- A delete takes the sender, message or group (`ensure_unused`), and then only reads campaigns, without a lock: nobody
  waits for a campaign while holding one of its parts.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from sendmill.accounts.models import Client, ClientResource
from sendmill.accounts.resources import find_for_update, touch
from sendmill.campaigns.models import Campaign, Phase, Status
from sendmill.contacts.models import ContactGroup, ContactSet
from sendmill.content.footer import Footer, with_footer
from sendmill.content.models import Message
from sendmill.errors import Conflict, InvalidField, NotFound
from sendmill.ids import parse_object_id
from sendmill.senders.models import Sender

log = structlog.get_logger()

ACTIONS = {
    Status.ACTIVE: "resumed a campaign",
    Status.PAUSED: "paused a campaign",
    Status.CANCELLED: "cancelled a campaign",
}
"""What can be done to a campaign by setting its status, as the audit log calls it."""
SETTABLE = tuple(ACTIONS)
UNFINISHED = (Status.ACTIVE, Status.PAUSED)


class Part(StrEnum):
    """What a campaign is made of."""

    SENDER = "sender"
    MESSAGE = "message"
    CONTACT_GROUP = "contact group"


_PARTS: dict[Part, tuple[type[ClientResource], str]] = {
    Part.SENDER: (Sender, "sender_object_id"),
    Part.MESSAGE: (Message, "message_object_id"),
    Part.CONTACT_GROUP: (ContactGroup, "contact_group_object_id"),
}

_LOCK_CLASS = 0x5E4D
"""The first of the two numbers of an advisory lock; the second is the campaign's."""


def hold_status(campaign_ids: Iterable[int]) -> None:
    """Keep the status of these campaigns as it is until the caller's transaction ends.

    For workers: first call this, then read statuses, then mark recipients as being sent. They don't keep each other
    waiting. A pause or cancel is acknowledged either before the statuses are read or after the transaction ends.
    """
    for campaign_id in sorted(set(campaign_ids)):  # sorted: two workers must not wait for each other's second
        _lock("pg_advisory_xact_lock_shared", campaign_id)


def lock(campaign_id: int) -> QuerySet[Campaign]:
    """The campaign, which nobody else holds or changes until the caller's transaction ends."""
    _lock("pg_advisory_xact_lock", campaign_id)
    return Campaign.objects.filter(pk=campaign_id)


def _lock(function: str, campaign_id: int) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {function}(%s, %s)", [_LOCK_CLASS, campaign_id & 0x7FFFFFFF])


def retry_deadline(sending_from: datetime, expiry_seconds: float | None) -> datetime:
    """Until when a campaign that begins to send at this moment retries its deferred recipients.

    `expiry_seconds` is the campaign's own; None for SENDMILL_EXPIRY_SECONDS.
    """
    return sending_from + timedelta(
        seconds=settings.SENDMILL_EXPIRY_SECONDS if expiry_seconds is None else expiry_seconds
    )


@transaction.atomic
def set_status(client: Client, object_id: str, status: str) -> None:
    """Set a campaign's status to `active`, `paused` or `cancelled`.

    active ↔ paused freely; the same status again changes nothing; `cancelled` and `completed` are final. A campaign
    cancelled before its start is closed at once and has no results. A resumed one may retry deferred recipients for
    the full time again: what passed while it was paused is not held against them.

    When this has been committed, no worker marks another recipient of a paused or cancelled campaign: see
    `hold_status`.

    Raises NotFound (unknown, malformed or another client's id) and InvalidField("status").
    """
    if status not in SETTABLE:
        raise InvalidField("status", f'"{status}" is not a valid choice.')
    known = Campaign.objects.filter(client=client, object_id=parse_object_id(object_id)).only("pk").first()
    if known is None:
        raise NotFound("There is no such campaign.")
    campaign = lock(known.pk).only("status", "phase", "modified_on", "expires_at", "expiry_seconds").get()
    if campaign.status == Status.COMPLETED:
        raise InvalidField("status", "The campaign is completed.")
    if campaign.status == status:
        return
    if campaign.status == Status.CANCELLED:
        raise InvalidField("status", "The campaign is cancelled, which is final.")
    campaign.status = Status(status)
    touch(campaign)
    if status == Status.CANCELLED and campaign.phase == Phase.WAITING:
        campaign.phase = Phase.CLOSED
    if status == Status.ACTIVE:
        campaign.expires_at = max(campaign.expires_at, retry_deadline(timezone.now(), campaign.expiry_seconds))
    campaign.save(update_fields=["status", "modified_on", "phase", "expires_at"])


def ensure_unused(client: Client, part: Part, object_id: str) -> None:
    """Raise Conflict, naming a campaign, if an active or paused campaign of the client needs this part.

    Call it in the transaction that deletes the part. It locks the part's row until the end of that, so that no
    campaign can be made with it in between.

    Raises NotFound if the client has no such part.
    """
    model, column = _PARTS[part]
    found = find_for_update(model, client, object_id)
    unfinished = Campaign.objects.filter(client=client, status__in=UNFINISHED, **{column: found.object_id})
    needing = unfinished.only("name", "object_id").order_by("id").first()
    if needing is not None:
        raise Conflict(f'The campaign "{needing.name}" ({needing.object_id}) is not finished and needs this {part}.')


def due_campaign_ids(now: datetime, limit: int) -> list[int]:
    """Primary keys of up to `limit` campaigns that should have started by `now`, those waiting longest first."""
    due = Campaign.objects.filter(phase=Phase.WAITING, status=Status.ACTIVE, starts_at__lte=now)
    return list(due.order_by("starts_at", "id").values_list("pk", flat=True)[:limit])


@transaction.atomic
def start(campaign_id: int, now: datetime) -> Campaign | None:
    """Start a due campaign; the campaign, or None if there is nothing for this caller to start.

    Of any number of concurrent callers exactly one gets the campaign. In one transaction: freeze the message, with its
    footer, and the sender's address into the campaign, pin the group's contact set, count the retry time from now, and
    move the phase to expanding.

    A campaign whose sender, message or group is gone (deletes refuse that, so only by hand in the database) is
    cancelled and closed, and logged as an error.
    """
    campaign = lock(campaign_id).first()
    if campaign is None or campaign.phase != Phase.WAITING or campaign.status != Status.ACTIVE:
        return None
    if campaign.starts_at > now:
        return None
    owned = {"client_id": campaign.client_id}
    sender = Sender.objects.filter(**owned, object_id=campaign.sender_object_id).first()
    message = Message.objects.filter(**owned, object_id=campaign.message_object_id).first()
    # Locked, so that an import can't point the group at another set before this one is pinned.
    groups = ContactGroup.objects.select_for_update(no_key=True)
    group = groups.filter(**owned, object_id=campaign.contact_group_object_id).first()
    if sender is None or message is None or group is None:
        log.error(
            "campaign.cannot_start",
            campaign=campaign.object_id,
            sender=sender is not None,
            message=message is not None,
            contact_group=group is not None,
        )
        campaign.status, campaign.phase = Status.CANCELLED, Phase.CLOSED
        touch(campaign)
        campaign.save(update_fields=["status", "phase", "modified_on"])
        return None
    ContactSet.objects.filter(pk=group.contact_set_id).update(pins=F("pins") + 1)
    campaign.contact_set_id = group.contact_set_id
    campaign.frozen_sender = sender.email
    campaign.frozen_subject = message.description
    campaign.frozen_body = _with_footer(message.email_message, campaign.client)
    campaign.expires_at = retry_deadline(now, campaign.expiry_seconds)
    campaign.phase = Phase.EXPANDING
    campaign.save(
        update_fields=["contact_set", "frozen_sender", "frozen_subject", "frozen_body", "expires_at", "phase"]
    )
    return campaign


def _with_footer(body: str, client: Client) -> str:
    return with_footer(body, Footer(client.postal_address, client.language)) if client.adds_footer else body


@transaction.atomic
def finish_expansion(campaign_id: int) -> bool:
    """End the expansion: unpin the contact set, and move the phase to sending, whatever the status.

    True if this call did it, False if the campaign was not expanding (any more). To be called in the transaction that
    finds no contact left.
    """
    campaign = lock(campaign_id).only("phase", "contact_set_id").first()
    if campaign is None or campaign.phase != Phase.EXPANDING:
        return False
    assert campaign.contact_set_id is not None, "pinned by start"
    ContactSet.objects.filter(pk=campaign.contact_set_id).update(pins=F("pins") - 1)
    campaign.contact_set = None
    campaign.phase = Phase.SENDING
    campaign.save(update_fields=["contact_set", "phase"])
    return True


@transaction.atomic
def close(campaign_id: int) -> bool:
    """Close a campaign of which no recipient is open: active or paused becomes completed, cancelled stays.

    True if this call did it, False if the campaign is not in phase sending. That no recipient is open is for the caller
    to know: seen in a transaction that first locks the campaign, it stays true until the end of that.
    """
    campaign = lock(campaign_id).only("status", "phase", "modified_on").first()
    if campaign is None or campaign.phase != Phase.SENDING:
        return False
    if campaign.status in UNFINISHED:
        campaign.status = Status.COMPLETED
        touch(campaign)
    campaign.phase = Phase.CLOSED
    campaign.save(update_fields=["status", "modified_on", "phase"])
    return True


def ensure_not_cancelled(campaign: Campaign) -> None:
    """Raise Conflict for a cancelled campaign."""
    if campaign.status == Status.CANCELLED:
        raise Conflict("The campaign is cancelled, which is final.")


def reopen(campaign: Campaign) -> None:
    """Let a campaign send again to recipients who had failed: completed becomes active, and it retries anew.

    To be called in the transaction that locks the campaign, which isn't cancelled, and gives it something to do. A
    paused one stays paused.
    """
    if campaign.status == Status.COMPLETED:
        campaign.status = Status.ACTIVE
        touch(campaign)
    if campaign.phase == Phase.CLOSED:
        campaign.phase = Phase.SENDING
    campaign.expires_at = max(campaign.expires_at, retry_deadline(timezone.now(), campaign.expiry_seconds))
    campaign.save(update_fields=["status", "modified_on", "phase", "expires_at"])
