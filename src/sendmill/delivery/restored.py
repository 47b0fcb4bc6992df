"""A restored database is older than what happened: settles what may have been sent since its backup was made.

Of what was sent after the backup, the database knows nothing. Other witnesses know a part: journals that still lie in
this machine's data folder, and the mail server's log, in which every Message-ID names its delivery. For every recipient
who was still open in the backup the first of these that applies counts:

1. the mail server's log names the message: delivered;
2. a journal has its answer: recorded as if the worker had done it; or its intent alone: in doubt;
3. it was marked as being sent: in doubt;
4. else it is **at stake**: open as it was. `hold` makes it final, as `unconfirmed`.

With `pause` and `hold`, campaigns that were running come back paused, those too that have come due since: nothing is
sent again unless somebody resumes them. With `resend` they go on as if nothing had happened since.

New chunks get numbers far above the old ones, so that no delivery is made under an id, and no message under a
Message-ID, that was used after the backup.
"""

import random
import re
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Q

from sendmill.campaigns import lifecycle
from sendmill.campaigns.models import Campaign, Phase, Status
from sendmill.delivery import policy
from sendmill.delivery.chunk_counts import free_chunk, id_range
from sendmill.delivery.clock import milliseconds
from sendmill.delivery.expand import expand_step
from sendmill.delivery.journal import journal_owners, read_journal
from sendmill.delivery.marks import marked_ids
from sendmill.delivery.models import CHUNK_SHIFT, Chunk, Delivery, RetryChunk, SlotHolding, WorkerReport
from sendmill.delivery.recording import Attempt, record_attempts
from sendmill.delivery.retry import queue_failed
from sendmill.delivery.states import FIRST_FINAL, MARKED_STATES, State
from sendmill.delivery.transmission import Outcome, OutcomeKind
from sendmill.ids import KIND_QUEUE, numbered

InDoubt = Literal["pause", "hold", "resend"]

CHUNKS_PASSED_OVER = 1 << 20
"""A billion recipients may have been sent to since the backup."""

_IN_CHUNK = (1 << CHUNK_SHIFT) - 1
_in_message_id = re.compile(rb"(?<![0-9a-f])[0-9a-f]{8}d1[0-9a-f]{14}(?=@)").findall


@dataclass(slots=True)
class Settled:
    """What settling one campaign came to. `at_stake` may have been sent after the backup, and nobody knows.

    `is_due`: it hadn't started in the backup, and should have since; how many recipients it has isn't known.
    """

    object_id: str
    name: str
    status: str
    delivered: int = 0
    in_doubt: int = 0
    held: int = 0
    at_stake: int = 0
    is_due: bool = False


@dataclass(frozen=True, slots=True)
class Witnesses:
    """What others than the database know of deliveries after the backup: those in the log, as `logged_as` gives them;
    the last words of journals."""

    logged: Container[int]
    journals: Mapping[int, "LastWord"]


class LastWord(NamedTuple):
    """What a journal says last of a delivery. No outcome: its message was about to leave, and no answer is there."""

    fence: int
    outcome: Outcome | None


def logged_as(campaign_object_id: str, number: int) -> int:
    """A delivery as its Message-ID names it, in one number. The delivery's alone says too little: a mail server's log
    may be another installation's too, whose deliveries have the same numbers."""
    return int(numbered(campaign_object_id, KIND_QUEUE, number), 16)


class DeliveryIds:
    """A set of numbers, a bit each, of deliveries that are near to each other: a log may name millions of them."""

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._bits: dict[int, int] = {}
        for number in numbers:
            self.add(number)

    def add(self, number: int) -> None:
        chunk = number >> CHUNK_SHIFT
        self._bits[chunk] = self._bits.get(chunk, 0) | 1 << (number & _IN_CHUNK)

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and bool(self._bits.get(number >> CHUNK_SHIFT, 0) >> (number & _IN_CHUNK) & 1)


def read_log(lines: Iterable[bytes]) -> DeliveryIds:
    """The deliveries whose Message-ID stands in a mail server's log, as `logged_as` gives them."""
    found = DeliveryIds()
    for line in lines:
        for text in _in_message_id(line):
            found.add(int(text, 16))
    return found


def read_journals(folder: Path) -> dict[int, LastWord]:
    """What the journals in this folder say last of each delivery."""
    found: dict[int, LastWord] = {}
    for owner in journal_owners(folder):
        for (number, fence), outcome in read_journal(folder, owner).items():
            if number not in found or fence >= found[number].fence:
                found[number] = LastWord(fence, outcome)
    return found


def settle(witnesses: Witnesses, in_doubt: InDoubt, retry_seconds: Sequence[float], now: datetime) -> list[Settled]:
    """Settle every campaign that isn't finished; what each came to. Nobody else may use the database meanwhile."""
    _pass_over_numbers()
    WorkerReport.objects.all().delete()
    SlotHolding.objects.all().delete()
    unfinished = Campaign.objects.exclude(phase=Phase.CLOSED).defer("frozen_body", "frozen_subject").order_by("pk")
    return [_settle(campaign, witnesses, in_doubt, retry_seconds, now) for campaign in unfinished.iterator()]


def _settle(
    campaign: Campaign, witnesses: Witnesses, in_doubt: InDoubt, retry_seconds: Sequence[float], now: datetime
) -> Settled:
    settled = Settled(campaign.object_id, campaign.name, campaign.status)
    if campaign.phase == Phase.WAITING:
        settled.is_due = campaign.status == Status.ACTIVE and campaign.starts_at <= now
    if (
        in_doubt != "resend"
        and campaign.status == Status.ACTIVE
        and (campaign.phase != Phase.WAITING or settled.is_due)
    ):
        lifecycle.set_status(campaign.client, campaign.object_id, Status.PAUSED)
        settled.status = Status.PAUSED
    if campaign.phase == Phase.EXPANDING:
        # Whom it had no row for yet is at stake too: now each of them has one.
        while expand_step(campaign.pk, milliseconds(now)):
            pass
    expires_ms, now_ms = milliseconds(campaign.expires_at), milliseconds(now)
    decide = _Decisions(campaign.object_id, witnesses, in_doubt, retry_seconds, expires_ms, now_ms)
    to_retry = RetryChunk.objects.none()
    if campaign.status != Status.CANCELLED:
        to_retry = RetryChunk.objects.filter(chunk__campaign=campaign)
    noted = set(to_retry.values_list("pk", flat=True))
    is_open = Q(due_ms__isnull=False) | ~Q(owner="") | Q(pk__in=noted)
    open_chunks = Chunk.objects.filter(is_open, campaign=campaign).order_by("pk")
    for chunk in list(open_chunks.only("fence", "being_sent")):
        _settle_chunk(chunk, chunk.pk in noted, decide, settled)
    return settled


@transaction.atomic
def _settle_chunk(chunk: Chunk, is_to_retry: bool, decide: "_Decisions", settled: Settled) -> None:
    """`is_to_retry`: somebody had asked for its failed recipients to be sent again, so these are open too."""
    marked = set(marked_ids(chunk.pk, chunk.being_sent, chunk.fence))
    with connection.cursor() as cursor:
        failed = _begin_retry(cursor, chunk.pk, decide.now_ms) if is_to_retry else set()
        attempts = []
        for row in _open_rows(cursor, chunk.pk, marked):
            # What the journal says of a failure under the fencing number of the backup is that failure itself.
            attempt = decide.about(row, chunk.fence + (row.number in failed))
            if attempt is None:
                settled.at_stake += 1
                continue
            attempts.append(attempt)
            settled.delivered += attempt.state is State.DELIVERED
            settled.in_doubt += attempt.state is State.UNCONFIRMED
            settled.held += attempt.state is State.UNCONFIRMED_HELD
        record_attempts(cursor, attempts, decide.now_ms)
        free_chunk(cursor, chunk.pk)


def _begin_retry(cursor: CursorWrapper, chunk_id: int, now: int) -> set[int]:
    """Queue the failed recipients of a chunk that is noted for that; who they are."""
    rows = Delivery.objects.filter(pk__range=id_range(chunk_id), state=State.FAILED)
    failed = set(rows.values_list("pk", flat=True))
    queue_failed(cursor, chunk_id, now)
    RetryChunk.objects.filter(pk=chunk_id).delete()
    return failed


class _OpenRow(NamedTuple):
    """A recipient that the backup leaves open. `is_marked`: its message was being sent."""

    number: int
    state: State
    attempts: int
    is_marked: bool


def _open_rows(cursor: CursorWrapper, chunk_id: int, marked: Collection[int]) -> list[_OpenRow]:
    cursor.execute(
        "SELECT id, state, attempts FROM delivery_delivery WHERE id BETWEEN %s AND %s AND state < %s ORDER BY id",
        [*id_range(chunk_id), FIRST_FINAL],
    )
    return [
        _OpenRow(number, State(state), attempts, number in marked or state in MARKED_STATES)
        for number, state, attempts in cursor.fetchall()
    ]


@dataclass(frozen=True, slots=True)
class _Decisions:
    """What to record for an open recipient of one campaign."""

    campaign_object_id: str
    witnesses: Witnesses
    in_doubt: InDoubt
    retry_seconds: Sequence[float]
    expires_ms: int
    now_ms: int

    def about(self, row: _OpenRow, fence: int) -> Attempt | None:
        """The attempt to record, or None to leave the recipient as it is. `fence` is its chunk's in the backup."""
        number, _, attempts, is_marked = row
        if logged_as(self.campaign_object_id, number) in self.witnesses.logged:
            reply = "named in the mail server's log that the restore was given"
            return self._attempt(number, State.DELIVERED, attempts, None, reply)
        word = self.witnesses.journals.get(number)
        if word is not None and _is_news(word, row, fence):
            return self._doubtful(number, attempts) if word.outcome is None else self._answered(word.outcome, attempts)
        if is_marked:
            return self._doubtful(number, attempts)
        if self.in_doubt == "hold":
            reply = "the database was restored from a backup; the message may have been sent after that was made"
            return Attempt(number, State.UNCONFIRMED_HELD, attempts, self.now_ms, None, None, reply, "")
        return None

    def _doubtful(self, number: int, attempts: int) -> Attempt:
        reply = "being sent when the backup was made or when the server ended; the reply isn't known"
        if self.in_doubt == "hold":
            return self._attempt(number, State.UNCONFIRMED_HELD, attempts, None, reply)
        return self._attempt(number, State.UNCONFIRMED, attempts, self.now_ms, reply)

    def _answered(self, outcome: Outcome, attempts: int) -> Attempt | None:
        if outcome.kind is OutcomeKind.NOT_SENT:
            return None
        if outcome.kind is OutcomeKind.IN_DOUBT:
            return self._doubtful(outcome.delivery_id, attempts)
        decided = policy.decide(
            outcome.kind, attempts + 1, self.now_ms, self.expires_ms, self.retry_seconds, "hold", random.random
        )
        return Attempt(
            outcome.delivery_id, decided.state, attempts + 1, self.now_ms, decided.next_attempt_ms,
            outcome.code, outcome.reply, outcome.relay,
        )  # fmt: skip

    def _attempt(self, number: int, state: State, attempts: int, next_ms: int | None, reply: str) -> Attempt:
        return Attempt(number, state, attempts + 1, self.now_ms, next_ms, None, reply, "")


def _is_news(word: LastWord, row: _OpenRow, fence: int) -> bool:
    """Whether the backup doesn't know this yet: a 4xx that it has recorded must not count twice."""
    is_deferral = word.outcome is not None and word.outcome.kind is OutcomeKind.DEFERRED
    is_recorded = is_deferral and row.state is State.DEFERRED and not row.is_marked
    return word.fence >= fence and not is_recorded


def _pass_over_numbers() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence('delivery_chunk', 'id'), "
                "nextval(pg_get_serial_sequence('delivery_chunk', 'id')) + %s)",
                [CHUNKS_PASSED_OVER],
            )
        else:
            # Without a chunk so far there is no row yet.
            cursor.execute(
                "INSERT INTO sqlite_sequence (name, seq) SELECT 'delivery_chunk', 0 "
                "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'delivery_chunk')"
            )
            cursor.execute(
                "UPDATE sqlite_sequence SET seq = seq + %s WHERE name = 'delivery_chunk'", [CHUNKS_PASSED_OVER]
            )
