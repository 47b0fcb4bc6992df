"""Sending again to those that failed, and only to those.

`retry_failed` notes which chunks hold failed recipients and lets the campaign go on; that is all a request waits for.
The scheduler then goes through the noted chunks (`retry_chunk`): of each that no worker holds, the failed ones
are queued anew, with the first delays of the retry policy. A chunk in a worker's hands is left until it is given back.
"""

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from sendmill.accounts.models import Client
from sendmill.accounts.resources import find
from sendmill.campaigns import lifecycle
from sendmill.campaigns.models import Campaign, Status
from sendmill.delivery.chunk_counts import free_chunk, id_range
from sendmill.delivery.models import RetryChunk
from sendmill.delivery.progress import count_campaign
from sendmill.delivery.pruning import is_begun
from sendmill.delivery.recording import keep_failures
from sendmill.delivery.statements import statement
from sendmill.delivery.states import State
from sendmill.errors import Conflict

CHUNKS_AT_ONCE = 50


@transaction.atomic
def retry_failed(client: Client, object_id: str) -> int:
    """Send again to the campaign's failed recipients; how many there are. With none, nothing changes.

    A completed campaign is active again until they are final. Raises NotFound, and Conflict for a cancelled campaign
    and for one whose results have been deleted.
    """
    campaign = lifecycle.lock(find(Campaign, client, object_id).pk).get()
    lifecycle.ensure_not_cancelled(campaign)
    if is_begun(campaign):
        raise Conflict("The campaign's results have been deleted: nobody knows any more who had failed.")
    failed = count_campaign(campaign.pk).by_state.get(State.FAILED, 0)
    if failed:
        with connection.cursor() as cursor:
            cursor.execute(statement("add_retry_chunks"), [campaign.pk])
        lifecycle.reopen(campaign)
    return failed


def next_retry_chunks() -> list[int]:
    """Up to `CHUNKS_AT_ONCE` noted chunks that no worker holds."""
    free = RetryChunk.objects.filter(chunk__owner="").order_by("pk")
    return list(free.values_list("pk", flat=True)[:CHUNKS_AT_ONCE])


@transaction.atomic
def retry_chunk(chunk_id: int, now: int) -> None:
    """Queue the failed recipients of a noted chunk, unless somebody else did or a worker has taken it meanwhile.

    Of a campaign that was cancelled since, they stay as they are.
    """
    with connection.cursor() as cursor:
        cursor.execute(statement("lock_free_chunk"), [chunk_id])
        if cursor.fetchone() is None or not RetryChunk.objects.filter(pk=chunk_id).exists():
            return
        if not Campaign.objects.filter(chunks=chunk_id, status=Status.CANCELLED).exists():
            queue_failed(cursor, chunk_id, now)
            free_chunk(cursor, chunk_id)
        RetryChunk.objects.filter(pk=chunk_id).delete()


def queue_failed(cursor: CursorWrapper, chunk_id: int, now: int) -> None:
    """Queue the failed recipients of a chunk that the caller's transaction has locked."""
    keep_failures(cursor, *id_range(chunk_id))
    cursor.execute(statement("retry_rows"), [now, *id_range(chunk_id)])
