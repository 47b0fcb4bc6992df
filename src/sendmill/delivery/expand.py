"""Expansion: a started campaign's contacts become deliveries, chunk by chunk.

Each step is one short transaction that writes one chunk and moves the cursor past its contacts. Steps of one campaign
take turns whatever nodes make them, and a crash between two loses nothing and repeats nothing. Workers claim the first
chunk while the later ones are still being made.
"""

from typing import NamedTuple

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from sendmill.campaigns import lifecycle
from sendmill.campaigns.models import Campaign, Phase, Status
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
        count, last_contact = _next_contacts(cursor, expanding, rows)
        if count == 0:
            lifecycle.finish_expansion(campaign_id)
            return 0
        _write_chunk(cursor, campaign_id, expanding, count, now)
        cursor.execute(statement("move_expansion"), [last_contact, count, campaign_id])
        return count


def _next_contacts(cursor: CursorWrapper, expanding: _Expanding, rows: int) -> tuple[int, int]:
    """How many contacts the next chunk has, and the id of its last."""
    page = {"contact_set": expanding.contact_set_id, "after": expanding.cursor, "rows": rows}
    cursor.execute(statement("next_contacts"), page)
    count, last_contact = cursor.fetchone()
    return int(count), int(last_contact)


def _write_chunk(cursor: CursorWrapper, campaign_id: int, expanding: _Expanding, count: int, now: int) -> None:
    chunk = Chunk.objects.create(campaign_id=campaign_id, rows=count, due_ms=0)
    first, _ = id_range(chunk.pk)
    state = State.CANCELLED if expanding.status == Status.CANCELLED else State.QUEUED
    cursor.execute(
        statement("expand_chunk"),
        {
            "first_id": first,
            "state": int(state),
            "now": now,
            "contact_set": expanding.contact_set_id,
            "after": expanding.cursor,
            "rows": count,
            "client": expanding.client_id,
        },
    )
    free_chunk(cursor, chunk.pk)
