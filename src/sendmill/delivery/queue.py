"""The queue: what a worker does to chunks and their rows, each in one short transaction.

    claim → (exchange …) → release

`exchange` is the heart: it records what came of the messages sent before and marks those to be sent next, in one
transaction that holds the chunks and their campaigns still. All functions work alike on SQLite and PostgreSQL, and
one suite of tests holds them to it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from sendmill.addresses import address_key
from sendmill.campaigns import lifecycle
from sendmill.campaigns.models import Campaign
from sendmill.delivery.chunk_counts import count_rows, id_range
from sendmill.delivery.clock import milliseconds
from sendmill.delivery.marks import changed_marks, marked_ids, marks_by_chunk
from sendmill.delivery.models import CHUNK_SHIFT
from sendmill.delivery.recording import Attempt, record_attempts
from sendmill.delivery.statements import statement
from sendmill.optouts.hand_off import barred_keys

CLAIMABLE_CAMPAIGNS = 16


class ClaimedRow(NamedTuple):
    """A delivery in a worker's hands. `fields` is JSON text; `state` is what it was before, a number of `State`."""

    id: int
    email: str
    name: str
    fields: str
    state: int
    attempts: int


@dataclass(slots=True)
class Claim:
    """A chunk in a worker's hands until it is released or its lease ends, and its rows that are due.

    `expires_ms` is the campaign's expiry when the chunk was claimed: a resume moves it.
    """

    chunk_id: int
    campaign_id: int
    fence: int
    rows: list[ClaimedRow]
    expires_ms: int


@dataclass(frozen=True, slots=True)
class PassingOver:
    """Of which campaigns, clients (their object ids) and senders (as compared) a worker wants no more now."""

    campaign_ids: Collection[int] = ()
    clients: Collection[str] = ()
    senders: Collection[str] = ()


NOTHING_PASSED_OVER = PassingOver()


@dataclass(slots=True)
class Exchange:
    """What an exchange did: the rows to send now, the chunks lost, and the chunks whose campaign isn't active."""

    marked: list[ClaimedRow] = field(default_factory=list)
    lost_chunks: set[int] = field(default_factory=set)
    stopped_chunks: set[int] = field(default_factory=set)


class _HeldChunk(NamedTuple):
    """What sql/lock_held_chunks.sql finds of a chunk."""

    chunk_id: int
    fence: int
    marks: str
    status: str
    client_id: int


def chunk_of(delivery_id: int) -> int:
    """The chunk that a delivery belongs to."""
    return delivery_id >> CHUNK_SHIFT


def claim(owner: str, now: int, lease_ms: int, passing_over: PassingOver = NOTHING_PASSED_OVER) -> Claim | None:
    """Take the next due chunk of the campaign that has the fewest in hand; None when nothing is due.

    Looking is done outside of the transaction, so that an idle worker never asks SQLite for its one write lock.
    """
    # No campaign has the number 0; no client and no sender is empty.
    looking = statement("claimable_campaigns", campaigns=passing_over.campaign_ids or {0})
    clients, senders = (sorted(names) or [""] for names in (passing_over.clients, passing_over.senders))
    for placeholder, names in (("{clients}", clients), ("{senders}", senders)):
        looking = looking.replace(placeholder, ",".join(["%s"] * len(names)))
    with connection.cursor() as cursor:
        cursor.execute(looking, [now, *clients, *senders, CLAIMABLE_CAMPAIGNS])
        campaigns = [row[0] for row in cursor.fetchall()]
    for campaign_id in campaigns:
        claimed = _claim_of(campaign_id, owner, now, lease_ms)
        if claimed is not None:
            return claimed
    return None


def _claim_of(campaign_id: int, owner: str, now: int, lease_ms: int) -> Claim | None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement("next_chunk"), [campaign_id, now])
        found = cursor.fetchone()
        if found is None:
            return None
        chunk_id = found[0]
        cursor.execute(statement("take_chunk"), [owner, now + lease_ms, chunk_id])
        fence = cursor.fetchone()[0]
        cursor.execute(statement("due_rows"), [*id_range(chunk_id), now])
        rows = list(map(ClaimedRow._make, orjson.loads(cursor.fetchone()[0])))
        expires_at = Campaign.objects.values_list("expires_at", flat=True).get(pk=campaign_id)
    return Claim(chunk_id, campaign_id, fence, rows, milliseconds(expires_at))


def exchange(
    claims: Mapping[int, Claim],
    attempts: Sequence[Attempt],
    unsent: Sequence[int],
    wanted: Sequence[ClaimedRow],
    now: int,
) -> Exchange:
    """Record `attempts`, give back `unsent`, and mark `wanted` as being sent, in one transaction.

    `claims` are the chunks in the worker's hands, by their ids. Of a chunk that another worker has taken over nothing
    is written. Of `wanted`, those whose campaign isn't active any more are left as they are, and
    those who have opted out become final; the rest are marked and may be sent.
    """
    done = Exchange()
    settled = [attempt.delivery_id for attempt in attempts] + [*unsent]
    asked_for = [row.id for row in wanted]
    involved = {number >> CHUNK_SHIFT for number in settled + asked_for}
    if not involved:
        return done
    with transaction.atomic(), connection.cursor() as cursor:
        # A pause, a cancel or an opt-out comes wholly before this transaction or after it.
        lifecycle.hold_status(claims[chunk_id].campaign_id for chunk_id in involved if chunk_id in claims)
        cursor.execute(statement("lock_held_chunks", ids=sorted(involved)))
        held = {
            chunk.chunk_id: chunk
            for chunk in map(_HeldChunk._make, cursor.fetchall())
            if chunk.chunk_id in claims and claims[chunk.chunk_id].fence == chunk.fence
        }
        done.lost_chunks = involved - held.keys()
        done.stopped_chunks = {chunk.chunk_id for chunk in held.values() if chunk.status != "active"}
        record_attempts(cursor, [a for a in attempts if a.delivery_id >> CHUNK_SHIFT in held], now)
        sendable = held.keys() - done.stopped_chunks
        rows = [row for row in wanted if row.id >> CHUNK_SHIFT in sendable]
        opted_out = _opted_out(cursor, rows, {chunk_id: chunk.client_id for chunk_id, chunk in held.items()})
        done.marked = [row for row in rows if row.id not in opted_out]
        if opted_out:
            cursor.execute(statement("mark_opted_out", ids=sorted(opted_out)), [now])
        # Of `wanted` too: when this is done again after a commit that was not confirmed, they are marked already, and
        # may have opted out since.
        _keep_marks(cursor, held.values(), ended=settled + asked_for, begun=[row.id for row in done.marked])
    return done


def _keep_marks(cursor: CursorWrapper, held: Iterable[_HeldChunk], ended: Iterable[int], begun: Iterable[int]) -> None:
    """Keep with each chunk which of its rows are being sent, now that some have ended and others begin."""
    ended_of, begun_of = marks_by_chunk(ended), marks_by_chunk(begun)
    for chunk in held:
        number = chunk.chunk_id
        marks = changed_marks(chunk.marks, chunk.fence, ended_of.get(number, 0), begun_of.get(number, 0))
        if marks != chunk.marks:
            cursor.execute(statement("keep_marks"), [marks, number])


def _opted_out(cursor: CursorWrapper, rows: Sequence[ClaimedRow], client_of: Mapping[int, int]) -> set[int]:
    """The ids of the rows whose address their client must not mail; `client_of` is by chunk."""
    found: set[int] = set()
    for client_id in set(client_of.values()):
        of_client = [row for row in rows if client_of[row.id >> CHUNK_SHIFT] == client_id]
        keys = [address_key(row.email) for row in of_client]
        if not keys:
            continue
        barred = barred_keys(cursor, client_id, keys)
        if barred:
            found.update(row.id for row, key in zip(of_client, keys, strict=True) if key in barred)
    return found


def release(chunk_id: int, fence: int, not_before_ms: int = 0) -> None:
    """Give a chunk back; it is due again when the next of its open rows is, but not before `not_before_ms`.

    A row that is still marked as being sent (none should be) leaves the chunk owned with its lease ended, so that
    recovery looks at it.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement("lock_held_chunks", ids=[chunk_id]))
        found = cursor.fetchone()
        if found is None:
            return
        chunk = _HeldChunk._make(found)
        if chunk.fence != fence:
            return
        if marked_ids(chunk_id, chunk.marks, fence):
            cursor.execute("UPDATE delivery_chunk SET lease_until_ms = 0 WHERE id = %s", [chunk_id])
            return
        counted = count_rows(cursor, chunk_id)
        due_ms = None if counted.next_due_ms is None else max(counted.next_due_ms, not_before_ms)
        cursor.execute(statement("release_chunk"), [due_ms, counted.stored(), chunk_id, fence])


def renew(owner: str, chunk_ids: Iterable[int], now: int, lease_ms: int) -> dict[int, int]:
    """Renew the leases of these chunks that `owner` holds: chunk id → fence. What isn't there is lost.

    That the end of a lease changes is what shows that its owner lives (see `leases`). Only chunks that it knows of are
    renewed: one whose claim was committed and never confirmed, for the database restarted, is left to recovery.
    """
    numbers = list(chunk_ids)
    if not numbers:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(statement("renew_leases", ids=numbers), [now + lease_ms, owner])
        return dict(cursor.fetchall())


def recheck(chunk_ids: Iterable[int], rows: Sequence[ClaimedRow]) -> tuple[set[int], set[int]]:
    """What has changed since rows were marked: the chunks whose campaign isn't active, the rows opted out meanwhile."""
    numbers = list(chunk_ids)
    if not numbers:
        return set(), set()
    with connection.cursor() as cursor:
        cursor.execute(statement("statuses", ids=numbers))
        found = cursor.fetchall()
        stopped = {chunk_id for chunk_id, status, _ in found if status != "active"}
        client_of = {chunk_id: client_id for chunk_id, _, client_id in found}
        return stopped, _opted_out(cursor, [row for row in rows if chunk_of(row.id) in client_of], client_of)


def acknowledge_stop(owner: str, chunk_ids: Iterable[int]) -> None:
    """Say that this worker begins nothing more of these chunks (see `control`)."""
    numbers = list(chunk_ids)
    if numbers:
        with connection.cursor() as cursor:
            cursor.execute(statement("let_go", ids=numbers), [owner])
