"""What happens to a campaign: its status, its start, the end of its expansion, its close.

`status` is what users see and set, `phase` is how far the work is (see `models`). Every function that changes a
campaign does so in one transaction that first locks the campaign's row, so that whatever many nodes call it, it
happens once.

Order of locks, for the whole product (PostgreSQL; on SQLite a transaction has the database to itself):

    campaign → sender → message → contact group → contact set

- `start` takes a campaign, then a group, then its set.
- `creation` takes sender, message and group, and inserts a campaign nobody else can see yet.
- A delete takes the sender, message or group (`ensure_unused`) and then only reads campaigns, without a lock:
  nobody waits for a campaign while holding one of its parts.

The campaign is locked FOR NO KEY UPDATE: it waits for the FOR SHARE of a worker that is marking recipients, and not
for the FOR KEY SHARE of a foreign key from a new chunk.
"""

from datetime import datetime
from enum import StrEnum

from sendmill.accounts.models import Client
from sendmill.campaigns.models import Campaign


class Part(StrEnum):
    """What a campaign is made of."""

    SENDER = "sender"
    MESSAGE = "message"
    CONTACT_GROUP = "contact group"


def set_status(client: Client, object_id: str, status: str) -> None:
    """Sets a campaign's status to `active`, `paused` or `cancelled`.

    active ↔ paused freely; the same status again changes nothing; `cancelled` and `completed` are final. A campaign
    cancelled before its start is closed at once and has no results. A resumed one may retry deferred recipients for
    the full time again.

    When this returns, no worker marks another recipient of a paused or cancelled campaign: a worker's marking
    transaction reads the status under a FOR SHARE lock of the row that is updated here.

    Raises NotFound (unknown, malformed or another client's id) and InvalidField("status").
    """
    raise NotImplementedError


def ensure_unused(client: Client, part: Part, object_id: str) -> None:
    """Raises Conflict, naming a campaign, if an active or paused campaign of the client needs this part.

    Call it in the transaction that deletes the part. It locks the part's row until then, so that no campaign can be
    made with it in between.

    Raises NotFound if the client has no such part.
    """
    raise NotImplementedError


def due_campaign_ids(now: datetime, limit: int) -> list[int]:
    """Primary keys of up to `limit` campaigns that should have started by `now`, those waiting longest first."""
    raise NotImplementedError


def start(campaign_id: int, now: datetime) -> Campaign | None:
    """Starts a due campaign; the campaign, or None if there is nothing for this caller to start.

    Of any number of concurrent callers exactly one gets the campaign. In one transaction: freezes the message and the
    sender's address into the campaign, pins the group's contact set, counts the retry time from now, and moves the
    phase to expanding.

    A campaign whose sender, message or group is gone (deletes refuse that, so only by hand in the database) is
    cancelled and closed, and logged as an error.
    """
    raise NotImplementedError


def finish_expansion(campaign_id: int) -> bool:
    """Ends the expansion: unpins the contact set, and moves the phase to sending, whatever the status.

    True if this call did it, False if the campaign was not expanding (any more). The caller may hold the
    campaign's lock already, and call this in the transaction that writes the last chunk.
    """
    raise NotImplementedError


def close(campaign_id: int) -> bool:
    """Closes a campaign of which no recipient is open: active or paused becomes completed, cancelled stays.

    True if this call did it, False if the campaign is not in phase sending. That no chunk is open is for the caller
    to know: in phase sending none is added, so it stays true once seen.
    """
    raise NotImplementedError
