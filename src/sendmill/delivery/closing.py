"""Closing campaigns: what a cancel leaves open becomes final, and a campaign with nothing open is completed."""

from django.db import connection, transaction

from sendmill.campaigns import lifecycle
from sendmill.campaigns.models import Phase, Status
from sendmill.delivery.chunk_counts import free_chunk, id_range
from sendmill.delivery.statements import statement

CHUNKS_AT_ONCE = 50


def chunks_of_cancelled(limit: int = CHUNKS_AT_ONCE) -> list[int]:
    """Up to `limit` chunks of cancelled campaigns that nobody holds and that have something open."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT k.id FROM campaigns_campaign c JOIN delivery_chunk k ON k.campaign_id = c.id "
            "WHERE c.status = %s AND c.phase <> %s AND k.due_ms IS NOT NULL AND k.owner = '' LIMIT %s",
            [Status.CANCELLED, Phase.CLOSED, limit],
        )
        return [row[0] for row in cursor.fetchall()]


def close_chunks_of_cancelled(now: int, limit: int = CHUNKS_AT_ONCE) -> int:
    """Make the open rows of up to `limit` free chunks of cancelled campaigns final; how many chunks there were.

    Queued and deferred recipients become cancelled. One in doubt stays unconfirmed, for nobody knows whether the
    message arrived. Chunks in workers' hands are left: what is on the wire ends first.
    """
    chunk_ids = chunks_of_cancelled(limit)
    for chunk_id in chunk_ids:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement("lock_free_chunk"), [chunk_id])
            if cursor.fetchone():
                cursor.execute(statement("cancel_rows"), [now, *id_range(chunk_id)])
                free_chunk(cursor, chunk_id)
    return len(chunk_ids)


def finished_campaigns() -> list[int]:
    """The campaigns whose expansion is over and whose chunks are all done."""
    with connection.cursor() as cursor:
        cursor.execute(statement("finished_campaigns"))
        return [row[0] for row in cursor.fetchall()]


def close_finished_campaigns() -> list[int]:
    """Close them; the ids of those that this call closed."""
    return [campaign_id for campaign_id in finished_campaigns() if _close(campaign_id)]


@transaction.atomic
def _close(campaign_id: int) -> bool:
    """Close it unless a retry came first, which locks the campaign too; whether this call did it."""
    lifecycle.lock(campaign_id)
    with connection.cursor() as cursor:
        cursor.execute(statement("finished_campaigns") + " AND c.id = %s", [campaign_id])
        return cursor.fetchone() is not None and lifecycle.close(campaign_id)
