"""The worker: one process that sends.

    claim → recheck opt-outs and statuses, mark → render → send → record

`Worker.turn` is that list. Recording what came of the last messages and marking the next ones is one transaction
(`queue.exchange`). Only as many rows are marked as the connections can take at once, so what is marked is on the wire
or about to be: a pause leaves the rest, and a crash leaves little in doubt.

The event loop drives the SMTP connections; the database is used by one thread beside it, so that neither waits for
the other.
"""

import asyncio
import itertools
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar

import structlog
from django.db import Error as DatabaseError
from django.db import connection

from sendmill.campaigns.models import Campaign
from sendmill.delivery import budget, policy, queue
from sendmill.delivery.clock import now_ms
from sendmill.delivery.journal import Journal
from sendmill.delivery.owner import this_process
from sendmill.delivery.queue import Attempt, Claim, ClaimedRow, chunk_of
from sendmill.delivery.relay_pool import RelayPool
from sendmill.delivery.relays import Relay
from sendmill.delivery.render import CampaignMessage, Unsendable, message_cache
from sendmill.delivery.transmission import Outcome, OutcomeKind

log = structlog.get_logger()

# Below this many rows in hand the next chunk is fetched, so that the connections never wait for it.
LOW_WATER = 500
# Chunks of so many campaigns are worked on at once: a small one doesn't wait for a large one.
MOST_CHUNKS = 8
OTHERS_SECONDS = 1.0
IDLE_SECONDS = 0.2
# What a relay's shared budget is asked for in one visit.
PERMITS_AT_ONCE = 50
# Sending stops this share of the lease before its end: no message leaves when the chunk may be another's.
LEASE_MARGIN = 0.1
SHUTDOWN_SECONDS = 30.0

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True)
class Hand:
    """A chunk in this worker's hands: rows still to send, and those whose outcome isn't recorded yet."""

    claim: Claim
    deadline: float
    rows: deque[ClaimedRow]
    outstanding: dict[int, "Outstanding"] = field(default_factory=dict)


@dataclass(slots=True)
class Outstanding:
    """A marked row, and when its message was handed to a connection, in ms."""

    row: ClaimedRow
    attempted_ms: int


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker is told: its relays, the data folder, the lease in seconds, and the policy for replies."""

    relays: Sequence[Relay]
    data_folder: Path
    lease_seconds: float
    retry_seconds: Sequence[float]
    in_doubt: Literal["resend", "hold"]


class Worker:
    """Claims chunks and sends them until told to stop."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        owner = this_process(settings.data_folder)
        self._owner = str(owner)
        self._journal = Journal(settings.data_folder / "journals", owner)
        self._pool = RelayPool(
            settings.relays,
            on_last_bytes=self._on_last_bytes,
            on_outcome=self._on_outcome,
            outbox_folder=settings.data_folder / "outbox",
        )
        self._database_thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        self._message_of: Callable[[int], CampaignMessage] = message_cache(64)
        self._hands: dict[int, Hand] = {}
        self._outcomes: list[Outcome] = []
        self._unsendable: list[Unsendable] = []
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._claim_after = 0.0
        self._others_after = 0.0

    def stop(self) -> None:
        """Begin a clean end: what is on the wire finishes, the rest stays queued."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Work until stopped."""
        log.info("worker.started", owner=self._owner, relays=[relay.name for relay in self._settings.relays])
        renewing = asyncio.create_task(self._keep_renewing())
        try:
            while not self._stopping.is_set():
                if not await self.turn():
                    await self._wait_for_work()
        finally:
            renewing.cancel()
            await self._shut_down()
        log.info("worker.stopped", owner=self._owner)

    async def turn(self) -> bool:
        """One turn of the work; whether there was any."""
        claimed = await self._claim()
        await self._ask_for_permits()
        wanted = self._take(self._pool.free_slots())
        exchanged, marked = await self._exchange(wanted)
        self._send(marked)
        released = await self._release_finished()
        return claimed or exchanged or released

    # Claiming --------------------------------------------------------------------------------------------------------

    async def _claim(self) -> bool:
        """Claim a chunk if few rows are left, or, now and then, one of a campaign not in hand."""
        now = time.monotonic()
        in_hand = sum(len(hand.rows) for hand in self._hands.values())
        passing_over: set[int] = set()
        if in_hand >= LOW_WATER:
            if now < self._others_after or len(self._hands) >= MOST_CHUNKS:
                return False
            self._others_after = now + OTHERS_SECONDS
            passing_over = {hand.claim.campaign_id for hand in self._hands.values()}
        elif now < self._claim_after:
            return False
        claim = await self._in_database(queue.claim, self._owner, now_ms(), self._lease_ms(), passing_over)
        if claim is None:
            self._claim_after = now + IDLE_SECONDS
            return False
        try:
            await self._in_database(self._message_of, claim.campaign_id)
        except Campaign.DoesNotExist:
            return True  # deleted this moment, and its chunks with it
        self._hands[claim.chunk_id] = Hand(claim, self._deadline(now), deque(claim.rows))
        return True

    async def _ask_for_permits(self) -> None:
        """For relays with a rate: take from the shared budget what could be sent now."""
        rates = {relay.name: relay.rate for relay in self._settings.relays if relay.rate is not None}
        rows = sum(len(hand.rows) for hand in self._hands.values())
        if not rates or not rows:
            return
        wanted = {
            health.name: min(rows, PERMITS_AT_ONCE) - health.permits
            for health in self._pool.health()
            if health.permits is not None and not health.paused_seconds
        }
        granted = await self._in_database(budget.take, wanted, rates, now_ms())
        for relay, messages in granted.items():
            self._pool.grant(relay, messages)

    def _take(self, slots: int) -> list[ClaimedRow]:
        """Up to `slots` rows, in turns from each chunk in hand."""
        taken: list[ClaimedRow] = []
        hands = [hand for hand in self._hands.values() if hand.rows]
        while slots > len(taken) and hands:
            for hand in hands:
                if len(taken) < slots:
                    taken.append(hand.rows.popleft())
            hands = [hand for hand in hands if hand.rows]
        return taken

    # Recording and marking -------------------------------------------------------------------------------------------

    async def _exchange(self, wanted: list[ClaimedRow]) -> tuple[bool, list[ClaimedRow]]:
        """Record what came back and mark what goes next; whether there was anything, and the rows to send."""
        outcomes, self._outcomes = self._outcomes, []
        unsendable, self._unsendable = self._unsendable, []
        if not (outcomes or unsendable or wanted):
            return False, []
        attempts: list[Attempt] = []
        unsent: list[int] = []
        for outcome in outcomes:
            self._settle(outcome, attempts, unsent)
        attempts += [
            self._attempt_of_unsendable(problem) for problem in unsendable if self._is_held(problem.delivery_id)
        ]
        claims = {chunk_id: hand.claim for chunk_id, hand in self._hands.items()}
        done = await self._in_database(queue.exchange, claims, attempts, unsent, wanted, now_ms())
        self._forget(itertools.chain((a.delivery_id for a in attempts), unsent), returned=set(unsent))
        for chunk_id in done.lost_chunks:
            self._lose(chunk_id)
        self._let_go(done.stopped_chunks)
        return True, done.marked

    def _settle(self, outcome: Outcome, attempts: list[Attempt], unsent: list[int]) -> None:
        """Turn an outcome into what is recorded: an attempt, or a row that goes back because nothing left."""
        held = self._outstanding(outcome.delivery_id)
        if held is None:
            return
        if outcome.kind is OutcomeKind.NOT_SENT:
            unsent.append(outcome.delivery_id)
            return
        hand = self._hands[chunk_of(outcome.delivery_id)]
        decision = policy.decide(
            outcome.kind,
            attempts=held.row.attempts + 1,
            now_ms=now_ms(),
            expires_ms=self._message_of(hand.claim.campaign_id).expires_ms,
            retry_seconds=self._settings.retry_seconds,
            in_doubt=self._settings.in_doubt,
            random=random.random,
        )
        attempts.append(
            Attempt(
                delivery_id=outcome.delivery_id,
                state=decision.state,
                attempts=held.row.attempts + 1,
                attempted_ms=held.attempted_ms,
                next_attempt_ms=decision.next_attempt_ms,
                reply_code=outcome.code,
                reply=outcome.reply,
                relay=outcome.relay,
            )
        )

    def _attempt_of_unsendable(self, problem: Unsendable) -> Attempt:
        held = self._hands[chunk_of(problem.delivery_id)].outstanding[problem.delivery_id]
        return Attempt(
            delivery_id=problem.delivery_id,
            state=problem.state,
            attempts=held.row.attempts,
            attempted_ms=held.attempted_ms,
            next_attempt_ms=None,
            reply_code=None,
            reply=problem.reason,
            relay="",
        )

    def _forget(self, delivery_ids: "itertools.chain[int]", returned: set[int]) -> None:
        """The database knows these now. Those whose messages never left are taken up again in their turn."""
        for delivery_id in delivery_ids:
            self._journal.recorded(delivery_id)
            hand = self._hands.get(chunk_of(delivery_id))
            held = hand.outstanding.pop(delivery_id, None) if hand else None
            if hand and held and delivery_id in returned:
                hand.rows.append(held.row)

    # Sending ---------------------------------------------------------------------------------------------------------

    def _send(self, marked: list[ClaimedRow]) -> None:
        """Render the marked rows and hand them to the connections."""
        now = now_ms()
        for row in marked:
            hand = self._hands[chunk_of(row.id)]
            hand.outstanding[row.id] = Outstanding(row, now)
            rendered = self._message_of(hand.claim.campaign_id).transmission(row)
            if isinstance(rendered, Unsendable):
                self._unsendable.append(rendered)
            else:
                self._pool.submit(rendered)

    def _on_last_bytes(self, delivery_id: int) -> bool:
        """Called just before a message's last byte is written: whether it may be."""
        hand = self._hands.get(chunk_of(delivery_id))
        if hand is None or delivery_id not in hand.outstanding or time.monotonic() > hand.deadline:
            return False
        try:
            self._journal.intend(delivery_id, hand.claim.fence)
        except OSError as error:
            log.error("journal.unwritable", error=error.strerror)
            return False
        return True

    def _on_outcome(self, outcome: Outcome) -> None:
        hand = self._hands.get(chunk_of(outcome.delivery_id))
        if hand is not None:
            try:
                self._journal.answer(outcome, hand.claim.fence)
            except OSError as error:
                # The database is told anyway; only a crash before that would leave this one in doubt.
                log.error("journal.unwritable", error=error.strerror)
        self._outcomes.append(outcome)
        self._wake.set()

    # Releasing and leases --------------------------------------------------------------------------------------------

    async def _release_finished(self) -> bool:
        finished = [hand for hand in self._hands.values() if not hand.rows and not hand.outstanding]
        for hand in finished:
            del self._hands[hand.claim.chunk_id]
            await self._in_database(queue.release, hand.claim.chunk_id, hand.claim.fence, now_ms())
        return bool(finished)

    async def _keep_renewing(self) -> None:
        """Renew the leases three times in their length; let go of chunks that were lost or whose campaign stopped."""
        while True:
            await asyncio.sleep(self._settings.lease_seconds / 3)
            before = time.monotonic()
            renewed = await self._in_database(queue.renew, self._owner, now_ms(), self._lease_ms())
            for chunk_id, hand in list(self._hands.items()):
                if renewed.get(chunk_id) == hand.claim.fence:
                    hand.deadline = self._deadline(before)
                elif hand.deadline < before:
                    self._lose(chunk_id)
            # With every relay down no row is marked, so nothing else would notice a pause.
            self._let_go(await self._in_database(queue.stopped_chunks, list(self._hands)))

    def _let_go(self, chunk_ids: set[int]) -> None:
        """Send no more of these chunks, whose campaigns were paused or cancelled; what is on the wire finishes."""
        for chunk_id in chunk_ids & self._hands.keys():
            self._hands[chunk_id].rows.clear()
        if chunk_ids:
            self._pool.withdraw(lambda transmission: chunk_of(transmission.delivery_id) in chunk_ids)
            self._wake.set()

    def _lose(self, chunk_id: int) -> None:
        """Another worker has this chunk now: whatever is still to come of it here is not ours to record."""
        hand = self._hands.pop(chunk_id, None)
        if hand is not None:
            log.warning("chunk.lost", chunk=chunk_id, outstanding=len(hand.outstanding))
            for delivery_id in hand.outstanding:
                self._journal.recorded(delivery_id)

    async def _shut_down(self) -> None:
        """Let what is on the wire finish, record it, and give every chunk back."""
        await self._pool.close(SHUTDOWN_SECONDS)
        for hand in self._hands.values():
            hand.rows.clear()
        while self._outcomes or self._unsendable:
            await self._exchange([])
            for hand in self._hands.values():
                hand.rows.clear()
        await self._release_finished()
        await self._in_database(connection.close)
        self._database_thread.shutdown()
        self._journal.close()

    # Small things ----------------------------------------------------------------------------------------------------

    async def _wait_for_work(self) -> None:
        self._wake.clear()
        if self._outcomes or self._stopping.is_set():
            return
        try:
            await asyncio.wait_for(self._wake.wait(), IDLE_SECONDS)
        except TimeoutError:
            pass

    async def _in_database(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `act` in the database thread; while the database can't be reached, again and again."""
        loop = asyncio.get_running_loop()
        pause = 0.1
        while True:
            try:
                return await loop.run_in_executor(self._database_thread, lambda: act(*args, **kwargs))
            except DatabaseError as error:
                log.error("worker.database_error", act=getattr(act, "__name__", "?"), error=str(error).strip())
                await loop.run_in_executor(self._database_thread, connection.close)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)

    def _outstanding(self, delivery_id: int) -> Outstanding | None:
        hand = self._hands.get(chunk_of(delivery_id))
        return None if hand is None else hand.outstanding.get(delivery_id)

    def _is_held(self, delivery_id: int) -> bool:
        return self._outstanding(delivery_id) is not None

    def _lease_ms(self) -> int:
        return int(self._settings.lease_seconds * 1000)

    def _deadline(self, from_moment: float) -> float:
        return from_moment + self._settings.lease_seconds * (1 - LEASE_MARGIN)
