"""Expansion: a started campaign's contacts become deliveries, chunk by chunk.

Each step is one short transaction that writes one chunk and moves the cursor past its contacts. Steps of one campaign
take turns whatever nodes make them, and a crash between two loses nothing and repeats nothing. Workers claim the first
chunk while the later ones are still being made.
"""

from dataclasses import dataclass
from typing import NamedTuple

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from sendmill.campaigns import lifecycle
from sendmill.campaigns.models import Campaign, Phase, Status
from sendmill.contacts.models import Layout
from sendmill.contacts.pages import POSITION_SHIFT, places
from sendmill.delivery.chunk_counts import free_chunk, id_range
from sendmill.delivery.models import CHUNK_ROWS, Chunk, Expansion
from sendmill.delivery.statements import statement
from sendmill.delivery.states import State


class _Expanding(NamedTuple):
    """What sql/expanding.sql finds of a campaign."""

    cursor: int
    client_id: int
    contact_set_id: int | None
    status: str
    phase: str
    layout: int | None


def expanding_campaign_ids() -> list[int]:
    """The campaigns with contacts still to be turned into deliveries, oldest first."""
    found = Campaign.objects.filter(phase=Phase.EXPANDING).order_by("starts_at", "id")
    return list(found.values_list("id", flat=True))


def expand_step(campaign_id: int, now: int, rows: int = CHUNK_ROWS) -> int:
    """Turn the next `rows` contacts (at most `CHUNK_ROWS`) into one chunk; how many there were.

    When none is left, the expansion is finished and 0 is returned. Of a campaign that was cancelled meanwhile the
    recipients are written as cancelled: every one has a result.
    """
    Expansion.objects.get_or_create(campaign_id=campaign_id)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement("expanding"), [campaign_id])
        found = cursor.fetchone()
        if found is None:
            return 0  # deleted this moment
        expanding = _Expanding._make(found)
        if expanding.phase != Phase.EXPANDING or expanding.contact_set_id is None:
            return 0
        if expanding.layout == Layout.PAGES:
            recipients = _of_next_page(expanding.contact_set_id, expanding.cursor, rows)
        else:
            recipients = _of_next_rows(cursor, expanding.contact_set_id, expanding.cursor, rows)
        if recipients is None:
            lifecycle.finish_expansion(campaign_id)
            return 0
        _write_chunk(cursor, campaign_id, expanding, recipients, now)
        cursor.execute(statement("move_expansion"), [recipients.next_cursor, recipients.count, campaign_id])
        return recipients.count


@dataclass(frozen=True, slots=True)
class _Recipients:
    """The next chunk's: how many, what selects them, and the cursor behind them."""

    count: int
    statement: str
    parameters: dict[str, int]
    next_cursor: int


def _of_next_page(contact_set_id: int, position: int, rows: int) -> _Recipients | None:
    """The contacts of a page from a position on, at most `rows`. The cursor is the position of the next contact."""
    number, offset = divmod(position, 1 << POSITION_SHIFT)
    for place in places(contact_set_id, number, at_once=1):
        offset = offset if place.number == number else 0
        if offset < place.size:
            count = min(rows, place.size - offset)
            parameters = {"page": place.page_id, "offset": offset, "end": offset + count}
            return _Recipients(count, "expand_page", parameters, place.first_position + offset + count)
    return None


def _of_next_rows(cursor: CursorWrapper, contact_set_id: int, last_contact: int, rows: int) -> _Recipients | None:
    """The same for a set of rows. The cursor is the id of the last contact."""
    page = {"contact_set": contact_set_id, "after": last_contact, "rows": rows}
    cursor.execute(statement("next_contacts"), page)
    count, next_last = cursor.fetchone()
    return _Recipients(count, "expand_chunk", {**page, "rows": count}, next_last) if count else None


def _write_chunk(
    cursor: CursorWrapper, campaign_id: int, expanding: _Expanding, recipients: _Recipients, now: int
) -> None:
    chunk = Chunk.objects.create(campaign_id=campaign_id, rows=recipients.count, due_ms=0)
    first, _ = id_range(chunk.pk)
    state = State.CANCELLED if expanding.status == Status.CANCELLED else State.QUEUED
    common = {"first_id": first, "state": int(state), "now": now, "client": expanding.client_id}
    cursor.execute(statement(recipients.statement), {**common, **recipients.parameters})
    free_chunk(cursor, chunk.pk)
