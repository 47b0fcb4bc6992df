"""Deleting the deliveries of campaigns that ended long ago, in short transactions, while others are sent.

A campaign's deliveries are whole ranges of primary keys, a range a chunk. The chunk itself stays, with its counts: one
row for a thousand recipients keeps a campaign's numbers right for ever. `rows` is 0 from then on.
"""

from collections.abc import Iterator
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from sendmill.campaigns import lifecycle
from sendmill.campaigns.models import Campaign, Phase
from sendmill.delivery.chunk_counts import id_range
from sendmill.delivery.models import Chunk

CHUNKS_AT_ONCE = 4
"""So many chunks in one transaction: some 10 ms on either database."""


def ended_campaigns(before: datetime) -> Iterator[Campaign]:
    """Campaigns that ended before that moment and still have deliveries, the oldest first."""
    has_rows = Exists(Chunk.objects.filter(campaign=OuterRef("pk"), rows__gt=0))
    ended = Campaign.objects.filter(has_rows, phase=Phase.CLOSED, modified_on__lt=before)
    for campaign_id in list(ended.order_by("pk").values_list("pk", flat=True)):
        yield Campaign.objects.select_related("client").defer("frozen_body", "frozen_subject").get(pk=campaign_id)


def is_begun(campaign: Campaign) -> bool:
    """Whether some of its deliveries have been deleted."""
    return Chunk.objects.filter(campaign=campaign, rows=0).exists()


@transaction.atomic
def delete_next(campaign_id: int) -> int:
    """Delete the deliveries of the campaign's next chunks; how many there were, 0 at the end.

    Of a campaign that has been taken up again (a retry) meanwhile, nothing.
    """
    if lifecycle.lock(campaign_id).values_list("phase", flat=True).first() != Phase.CLOSED:
        return 0
    chunks = Chunk.objects.filter(campaign_id=campaign_id, rows__gt=0).order_by("pk")
    chunk_ids = list(chunks.values_list("pk", flat=True)[:CHUNKS_AT_ONCE])
    deleted = 0
    with connection.cursor() as cursor:
        for chunk_id in chunk_ids:
            cursor.execute(
                "DELETE FROM delivery_deliveryattempt WHERE delivery_id BETWEEN %s AND %s", id_range(chunk_id)
            )
            cursor.execute("DELETE FROM delivery_delivery WHERE id BETWEEN %s AND %s", id_range(chunk_id))
            deleted += cursor.rowcount
    Chunk.objects.filter(pk__in=chunk_ids).update(rows=0)
    return deleted
