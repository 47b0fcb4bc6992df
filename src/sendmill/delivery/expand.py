"""Expansion: a started campaign's contacts become deliveries, chunk by chunk.

Each step is one short transaction that writes one chunk and moves the cursor past its contacts. Steps of one campaign
take turns whatever nodes make them, and a crash between two loses nothing and repeats nothing. Workers claim the first
chunk while the later ones are still being made.
"""

from django.db import connection, transaction

from sendmill.campaigns import lifecycle
from sendmill.campaigns.models import Campaign, Phase, Status
from sendmill.delivery.chunk_counts import free_chunk, id_range
from sendmill.delivery.models import CHUNK_ROWS, Chunk, Expansion
from sendmill.delivery.statements import statement
from sendmill.delivery.states import State


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
    with transaction.atomic():
        expansion = Expansion.objects.select_for_update(of=("self",)).get(campaign_id=campaign_id)
        campaign = Campaign.objects.only("client_id", "contact_set_id", "status", "phase").get(pk=campaign_id)
        if campaign.phase != Phase.EXPANDING or campaign.contact_set_id is None:
            return 0
        count, last_contact = _next_contacts(campaign.contact_set_id, expansion.cursor, rows)
        if count == 0:
            lifecycle.finish_expansion(campaign_id)
            return 0
        _write_chunk(campaign, expansion.cursor, count, now)
        expansion.cursor = last_contact
        expansion.recipients += count
        expansion.save(update_fields=["cursor", "recipients"])
        return count


def _next_contacts(contact_set_id: int, cursor_id: int, rows: int) -> tuple[int, int]:
    """How many contacts the next chunk has, and the id of its last."""
    with connection.cursor() as cursor:
        page = {"contact_set": contact_set_id, "after": cursor_id, "rows": rows}
        cursor.execute(statement("next_contacts"), page)
        count, last_contact = cursor.fetchone()
        return int(count), int(last_contact)


def _write_chunk(campaign: Campaign, cursor_id: int, count: int, now: int) -> None:
    chunk = Chunk.objects.create(campaign=campaign, rows=count, due_ms=0)
    first, _ = id_range(chunk.pk)
    state = State.CANCELLED if campaign.status == Status.CANCELLED else State.QUEUED
    with connection.cursor() as cursor:
        cursor.execute(
            statement("expand_chunk"),
            {
                "first_id": first,
                "state": int(state),
                "now": now,
                "contact_set": campaign.contact_set_id,
                "after": cursor_id,
                "rows": count,
                "client": campaign.client_id,
            },
        )
        free_chunk(cursor, chunk.pk)
