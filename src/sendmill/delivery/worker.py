"""The worker: one process that sends.

    claim → recheck opt-outs and statuses, mark → render → send → record

`Worker.turn` is that list. Recording what came of the last messages and marking the next ones is one transaction
(`queue.exchange`). Only as many rows are marked as the connections can take at once and `READY` more, so what is marked
is on the wire or about to be: a pause leaves the rest.

The event loop drives the SMTP connections; the database is used by one thread beside it, so that neither waits for
the other.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import structlog

from sendmill.campaigns.models import Campaign
from sendmill.delivery import claiming, policy, queue, reports, slots
from sendmill.delivery.attempts import attempt_of, attempt_of_unsendable
from sendmill.delivery.clock import now_ms, steady_seconds
from sendmill.delivery.database_thread import DatabaseThread
from sendmill.delivery.gates import Gates
from sendmill.delivery.hands import Hands, Outstanding
from sendmill.delivery.journal import Journal
from sendmill.delivery.owner import this_process
from sendmill.delivery.permits import Permits
from sendmill.delivery.queue import ClaimedRow, chunk_of
from sendmill.delivery.recording import Attempt
from sendmill.delivery.relay_pool import RelayPool
from sendmill.delivery.relays import Relay
from sendmill.delivery.render import CampaignMessage, Unsendable, message_cache
from sendmill.delivery.selection import Selection
from sendmill.delivery.transmission import Outcome, OutcomeKind
from sendmill.metrics import tallies

log = structlog.get_logger()

OTHERS_SECONDS, IDLE_SECONDS = 1.0, 0.1
# How often statuses and opt-outs are looked at again for what waits for a connection.
RECHECK_SECONDS = 0.1
# Sending stops this share of the lease before its end: no message leaves when the chunk may be another's.
LEASE_MARGIN = 0.1
SHUTDOWN_SECONDS = 30.0
# Rows marked beyond those on the wire, per relay: what the connections live on while outcomes gather, the database
# commits and the next rows are rendered. With too few, connections run dry and each message costs a write more: 120 µs
# of CPU a message at 60, 104 at 200. A pause and an opt-out reach them all the same (`_keep_rechecking`).
READY = 400
# An exchange waits for so many outcomes, or so long: it takes 360 µs of CPU, 2 to 3 µs a row, and a commit to disk.
BATCH = READY // 2
GATHER_SECONDS = 0.02
# Rendering many in a row is quicker for each (10 µs, and 24 when each was rendered as a connection took it: the code
# stays in the processor's cache), but the connections wait meanwhile.
RENDERED_AT_ONCE = 25


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
            ready=READY,
        )
        self._database = DatabaseThread(settings.lease_seconds / 3)
        self._message_of: Callable[[int], CampaignMessage] = message_cache(64, settings.relays)
        self._hands = Hands()
        self._gates = Gates()
        self._selection = Selection(self._gates)
        self._permits = Permits(self._database, self._owner, self._pool, self._gates, settings.relays)
        # Deliveries of lost chunks that the pool has not answered yet: another worker's business now.
        self._orphans: set[int] = set()
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
        beside = [*map(asyncio.create_task, (self._keep_renewing(), self._keep_rechecking(), self._keep_reporting()))]
        try:
            while not self._stopping.is_set():
                for task in beside:
                    if task.done():
                        task.result()  # raises what ended it: without its leases a worker must not go on
                if not await self.turn():
                    await self._wait_for_work()
        finally:
            await self._shut_down(beside)
        log.info("worker.stopped", owner=self._owner)

    async def turn(self) -> bool:
        """One turn of the work; whether the next should follow at once."""
        claimed = await self._claim()
        await self._permits.refresh(self._hands)
        wanted = self._take()
        marked = await self._exchange(wanted)
        await self._send(marked)
        released = await self._release_finished()
        return claimed or released or self._gates.take_room()

    # Claiming --------------------------------------------------------------------------------------------------------

    async def _claim(self) -> bool:
        """Claim a chunk if few rows are left, or, now and then, one of a campaign not in hand."""
        now, hands, room = steady_seconds(), self._hands.all(), self._pool.room()
        passing_over = claiming.passing_over(hands, room, self._gates.all())
        if claiming.ready_rows(hands, room) >= claiming.LOW_WATER:
            if now < self._others_after or len(hands) >= claiming.MOST_CHUNKS:
                return False
            self._others_after = now + OTHERS_SECONDS
            passing_over = replace(passing_over, campaign_ids=self._hands.campaign_ids())
        elif now < self._claim_after or len(hands) >= claiming.MOST_HANDS:
            return False
        claim = await self._database.run(queue.claim, self._owner, now_ms(), self._lease_ms(), passing_over)
        if claim is None:
            self._claim_after = now + IDLE_SECONDS
            return False
        try:
            message = await self._database.run(self._message_of, claim.campaign_id)
        except Campaign.DoesNotExist:
            return True  # deleted this moment, and its chunks with it
        self._lose(claim.chunk_id)  # if it was in hand, this claim is the first that is heard of its loss
        gates = self._gates.of_campaign(message.sender, message.client_object_id)
        self._hands.add(claim, message, self._deadline(now), gates)
        return True

    def _take(self) -> list[ClaimedRow]:
        """As many rows as the pool takes now."""
        taken = self._selection.take(self._hands.all(), self._pool.room())
        if self._orphans:
            for row in taken:
                if row.id in self._orphans:
                    self._gates.leave(row.id, was_sent=False)
                    self._hands.put_back(row)
            taken = [row for row in taken if row.id not in self._orphans]
        return taken

    # Recording and marking -------------------------------------------------------------------------------------------

    async def _exchange(self, wanted: list[ClaimedRow]) -> list[ClaimedRow]:
        """Record what came back and mark what goes next; the rows to send."""
        outcomes, self._outcomes = self._outcomes, []
        unsendable, self._unsendable = self._unsendable, []
        if not (outcomes or unsendable or wanted):
            return []
        unsent = [outcome.delivery_id for outcome in outcomes if outcome.kind is OutcomeKind.NOT_SENT]
        recorded = self._attempts_of(outcomes, unsendable)
        done = await self._database.run(queue.exchange, self._hands.claims(), recorded, unsent, wanted, now_ms())
        for attempt in recorded:
            self._settle(attempt.delivery_id, again=False)
        for delivery_id in unsent:
            self._settle(delivery_id, again=True)
        for chunk_id in done.lost_chunks:
            self._lose(chunk_id)
        self._let_go(done.stopped_chunks)
        if len(done.marked) < len(wanted):
            for delivery_id in {row.id for row in wanted} - {row.id for row in done.marked}:
                self._gates.leave(delivery_id, was_sent=False)
        return done.marked

    def _attempts_of(self, outcomes: Sequence[Outcome], unsendable: Sequence[Unsendable]) -> list[Attempt]:
        """What is recorded of these; nothing of chunks that were lost meanwhile."""
        attempts = []
        for outcome in outcomes:
            held = self._hands.outstanding(outcome.delivery_id)
            if held is not None and outcome.kind is not OutcomeKind.NOT_SENT:
                attempts.append(attempt_of(outcome, held, self._decide))
        for problem in unsendable:
            held = self._hands.outstanding(problem.delivery_id)
            if held is not None:
                attempts.append(attempt_of_unsendable(problem, held))
        return attempts

    def _decide(self, kind: OutcomeKind, attempts: int, expires_ms: int) -> policy.Decision:
        """The policy for replies, as the settings have it."""
        return policy.decide(
            kind,
            attempts=attempts,
            now_ms=now_ms(),
            expires_ms=expires_ms,
            retry_seconds=self._settings.retry_seconds,
            in_doubt=self._settings.in_doubt,
            random=random.random,
        )

    def _settle(self, delivery_id: int, again: bool) -> None:
        self._journal.recorded(delivery_id)
        self._gates.leave(delivery_id, was_sent=not again)
        self._hands.settle(delivery_id, again)

    # Sending ---------------------------------------------------------------------------------------------------------

    async def _send(self, marked: list[ClaimedRow]) -> None:
        """Render the marked rows and hand them to the connections, which get their turn after every few."""
        moment = now_ms(), steady_seconds()
        handed_over = []
        for row in marked:
            held = self._hands.hand_over(row, *moment)
            if held is None:
                self._gates.leave(row.id, was_sent=False)
            else:
                handed_over.append(held)
        for number, held in enumerate(handed_over, start=1):
            self._render(held)
            if number % RENDERED_AT_ONCE == 0 or number == len(handed_over) or held.hand.message.is_large:
                await asyncio.sleep(0)

    def _render(self, held: Outstanding) -> None:
        row = held.row
        if self._hands.outstanding(row.id) is not held:
            self._orphans.discard(row.id)  # the chunk was lost meanwhile, and the pool never heard of this one
            return
        if held.is_revoked or held.hand.is_let_go:
            self._on_outcome(Outcome(row.id, OutcomeKind.NOT_SENT, None, "withdrawn", ""))
            return
        rendered = held.hand.message.transmission(row)
        if isinstance(rendered, Unsendable):
            held.is_concluded = True
            self._unsendable.append(rendered)
        else:
            self._pool.submit(rendered)

    def _on_last_bytes(self, delivery_id: int) -> bool:
        """Called just before a message's last byte is written: whether it may be."""
        held = self._hands.outstanding(delivery_id)
        if held is None or held.is_revoked or delivery_id in self._orphans:
            return False
        try:
            self._journal.intend(delivery_id, held.hand.claim.fence)
        except OSError as error:
            log.error("journal.unwritable", error=error.strerror)
            return False
        # Behind the intent: whoever takes over from a process that was stopped at this point finds that in the journal.
        held.left = steady_seconds()
        if held.left > held.hand.deadline:
            return False
        held.is_leaving = True
        return True

    def _on_outcome(self, outcome: Outcome) -> None:
        if outcome.delivery_id in self._orphans:
            self._orphans.discard(outcome.delivery_id)
            return
        held = self._hands.outstanding(outcome.delivery_id)
        if held is not None:
            held.is_concluded = True
            if held.is_leaving and outcome.kind is not OutcomeKind.NOT_SENT:
                self._hands.tally.answered(outcome.relay, outcome.kind, steady_seconds() - held.left)
            try:
                self._journal.answer(outcome, held.hand.claim.fence)
            except OSError as error:  # the database is told anyway: only a crash before that would leave it in doubt
                log.error("journal.unwritable", error=error.strerror)
        self._outcomes.append(outcome)
        if len(self._outcomes) == BATCH:
            self._wake.set()

    # Releasing, leases and second looks ------------------------------------------------------------------------------

    async def _release_finished(self) -> bool:
        claiming.give_back(self._hands.all(), self._pool.room(), now_ms(), steady_seconds())
        finished = self._hands.finished()
        for hand in finished:
            self._hands.remove(hand.claim.chunk_id)
            await self._database.run(queue.release, hand.claim.chunk_id, hand.claim.fence, hand.not_before_ms)
        return bool(finished)

    async def _keep_renewing(self) -> None:
        """Renew the leases three times in their length, and forget the chunks that were lost."""
        while True:
            await asyncio.sleep(self._settings.lease_seconds / 3)
            hands = self._hands.all()
            before, renewed = await self._database.run(self._renew, [hand.claim.chunk_id for hand in hands])
            for hand in hands:
                if renewed.get(hand.claim.chunk_id) == hand.claim.fence:
                    hand.deadline = self._deadline(before)
                elif hand.deadline < before:
                    self._lose(hand.claim.chunk_id)

    def _renew(self, chunk_ids: list[int]) -> tuple[float, dict[int, int]]:
        """The moment just before the leases were renewed, and those that were. Runs in the database's thread."""
        return steady_seconds(), queue.renew(self._owner, chunk_ids, now_ms(), self._lease_ms())

    async def _keep_rechecking(self) -> None:
        """Look again at what is in hand: a pause, a cancel or an opt-out holds also for what waits for a connection."""
        acknowledged: set[tuple[int, int]] = set()
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            claims = self._hands.claims()
            late = self._hands.late(steady_seconds() - RECHECK_SECONDS)
            stopped, opted_out = await self._database.run(queue.recheck, list(claims), late)
            self._revoke(opted_out)
            self._let_go(stopped)
            let_go = {(chunk_id, claims[chunk_id].fence) for chunk_id in stopped}
            if let_go - acknowledged:
                await self._database.run(queue.acknowledge_stop, self._owner, stopped)
            acknowledged = let_go

    async def _keep_reporting(self) -> None:
        """Say how the relays are and how fast the campaigns go, when it has changed and now and then (`reports`)."""
        window, said, said_at = reports.RateWindow(steady_seconds()), None, 0.0
        while True:
            now = steady_seconds()
            await self._database.run(tallies.add, self._hands.tally.take())
            window.add(now, self._hands.take_recorded())
            to_say = self._pool.health(), window.rates()
            if to_say != said or now - said_at > reports.IDLE_REPORT_SECONDS:
                await self._database.run(reports.write_report, self._owner, *to_say)
                said, said_at = to_say, now
            await asyncio.sleep(reports.REPORT_SECONDS)

    def _revoke(self, delivery_ids: Collection[int]) -> None:
        """These opted out after they were marked: what has not left stays here."""
        for delivery_id in delivery_ids:
            held = self._hands.outstanding(delivery_id)
            if held is not None:
                held.is_revoked = True
        if delivery_ids:
            self._pool.withdraw(lambda transmission: transmission.delivery_id in delivery_ids)

    def _let_go(self, chunk_ids: Collection[int]) -> None:
        """Begin nothing more of these chunks, whose campaigns were stopped; what is on the wire finishes."""
        if chunk_ids:
            self._hands.let_go(chunk_ids)
            self._pool.withdraw(lambda transmission: chunk_of(transmission.delivery_id) in chunk_ids)
            self._wake.set()

    def _lose(self, chunk_id: int) -> None:
        """Another worker has this chunk now: whatever is still to come of it here is not ours to record."""
        removed = self._hands.remove(chunk_id)
        if removed is None:
            return
        outstanding = {held.row.id for held in removed}
        log.warning("chunk.lost", chunk=chunk_id, outstanding=len(outstanding))
        self._orphans.update(held.row.id for held in removed if not held.is_concluded)
        for delivery_id in outstanding:
            self._journal.recorded(delivery_id)
            self._gates.leave(delivery_id, was_sent=True)
        self._pool.withdraw(lambda transmission: transmission.delivery_id in outstanding)

    async def _shut_down(self, beside: Iterable[asyncio.Task[None]] = ()) -> None:
        """Let what is on the wire finish, record it, and give every chunk back; leases are renewed until then."""
        await self._pool.close(SHUTDOWN_SECONDS)
        while self._outcomes or self._unsendable:
            await self._exchange([])
        for task in beside:
            task.cancel()
        self._hands.let_go(self._hands.claims())
        await self._release_finished()
        await self._database.run(slots.give_up, self._owner)
        await self._database.run(tallies.add, self._hands.tally.take())
        await self._database.run(reports.delete_report, self._owner)
        await self._database.close()
        self._journal.close()

    async def _wait_for_work(self) -> None:
        """Wait until there are outcomes enough for an exchange, or some time has passed."""
        self._wake.clear()
        if len(self._outcomes) >= BATCH or self._stopping.is_set():
            return
        pause = GATHER_SECONDS if self._hands.is_sending else min(IDLE_SECONDS, self._permits.seconds_to_visit())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), pause)

    def _lease_ms(self) -> int:
        return int(self._settings.lease_seconds * 1000)

    def _deadline(self, from_moment: float) -> float:
        return from_moment + self._settings.lease_seconds * (1 - LEASE_MARGIN)
