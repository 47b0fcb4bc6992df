"""One relay of a pool: what waits for it, its connections, and when it is left alone."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import structlog

from sendmill.delivery.relay_state import Backoff, Timers
from sendmill.delivery.relays import Relay
from sendmill.delivery.smtp import refuse_for_capabilities
from sendmill.delivery.smtp_connection import SmtpConnection
from sendmill.delivery.smtp_session import RelayProblem, open_session
from sendmill.delivery.transmission import Outcome, OutcomeKind, RelayHealth, Transmission

if TYPE_CHECKING:
    from sendmill.delivery.relay_pool import RelayPool

log = structlog.get_logger()

LOSSES_TO_PAUSE = 3
"""So many connections lost in a row, without a reply to any message between, and the relay is taken to be down. One
alone may be a message that the server could not stand."""
STALL_SECONDS = 3.0
"""A relay that has answered nothing for so long, while messages wait for it, has to leave them to the others."""


class RelayChannel:
    """Hands transmissions to one relay.

    Transmissions wait in one line, and each connection takes the next when it has room (`next_transmission`): it can
    then be put into the same write as the end of the message before. While any waits, no connection has room.

    Connections are opened when something waits, first one, then as many again as are open: an unreachable relay costs
    one attempt, and a few mails don't open twenty connections.

    A relay that can't be used is paused, and all that waits comes back NOT_SENT. After the pause it gets two
    transmissions until it has answered one. If only a further connection can't be opened while others work, it is no
    pause: the relay wants no more than it has, and is asked for more after a while.

    A relay that says nothing is waited for as long as RFC 5321 wants, minutes at each stage. But only what is on its
    wire waits, if there is another relay that is up (`_look_for_stall`).
    """

    def __init__(self, relay: Relay, pool: "RelayPool", ready: int, tls_context: ssl.SSLContext | None) -> None:
        self.name = relay.name
        self.may_send = pool.may_send
        self.permits: int | None = None if relay.rate is None else 0
        self.allowed_connections: int | None = None
        self.lacks_smtputf8 = False
        self.takes_anybody = relay.takes_anybody
        self._relay = relay
        self._pool = pool
        self._ready = ready
        self._tls_context = tls_context
        self._waiting: deque[Transmission] = deque()
        self._in_hand = 0
        self._open: dict[SmtpConnection, None] = {}
        self._opening: set[asyncio.Task[SmtpConnection]] = set()
        limits = pool.limits
        self._pausing = Backoff(limits.pause_first, limits.pause_longest, pool.random)
        self._growing = Backoff(limits.pause_first, limits.pause_longest, pool.random)
        self._paused_until: float | None = None
        self._is_proving = False
        self._losses = 0
        self._answers = 0
        self._is_watched = False
        self._may_grow = True
        self._timers = Timers()
        self._is_ticking = False
        self._is_closing = False
        self._last_error: str | None = None

    # What the pool calls --------------------------------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        """Whether it takes transmissions: neither paused nor closing."""
        return self._paused_until is None and not self._is_closing

    def free_slots(self) -> int:
        """How many more transmissions it takes now."""
        if not self.is_up:
            return 0
        if not self._most_connections:
            most = 0
        elif self._is_proving:
            most = 2
        else:
            most = 2 * (self._most_connections if self._may_grow else len(self._open) or 1) + self._ready
        free = most - self._in_hand
        if self.permits is not None and self.permits < free:
            free = self.permits
        return max(free, 0)

    def submit(self, transmission: Transmission) -> None:
        """Takes a transmission, also beyond the free slots; NOT_SENT at once when the relay is not up."""
        self._in_hand += 1
        if self.permits is not None:
            self.permits -= 1
        if not self.is_up:
            self._give_back((transmission,), self._last_error or "shutting down")
            return
        self._waiting.append(transmission)
        if not self._is_watched:
            self._watch()
        if len(self._waiting) == 1:
            # The oldest first, so that at low load the youngest grow idle and close.
            for connection in self._open:
                if connection.is_idle and connection.can_take_envelope:
                    connection.wake()
                    return
            for connection in self._open:
                if connection.can_take_envelope:
                    connection.wake()
                    return
        if len(self._open) < self._most_connections:
            self._open_more()

    def withdraw(self, is_wanted_back: Callable[[Transmission], bool]) -> None:
        """Gives back, NOT_SENT, those of which nothing is on the wire yet and `is_wanted_back` is true."""
        back: list[Transmission] = []
        staying: deque[Transmission] = deque()
        for transmission in self._waiting:
            (back if is_wanted_back(transmission) else staying).append(transmission)
        self._waiting = staying
        self._give_back(back, "withdrawn")

    def health(self) -> RelayHealth:
        """Its state now."""
        paused = 0.0 if self._paused_until is None else max(self._paused_until - time.monotonic(), 0.0)
        return RelayHealth(
            self.name, paused, self._pausing.failures, self._last_error, len(self._open), self._in_hand, self.permits
        )

    def begin_close(self) -> None:
        """Takes and opens nothing more; connections finish what is on the wire and say QUIT."""
        self._is_closing = True
        self._timers.cancel()
        for task in self._opening:
            task.cancel()
        self._give_back_waiting("shutting down")
        for connection in list(self._open):
            connection.retire()
        if self._open:
            self._is_ticking = False
            self._tick_later()

    @property
    def is_settled(self) -> bool:
        """Whether no connection is left and nothing is in hand."""
        return not self._open and not self._opening and not self._in_hand

    def abort(self) -> None:
        """Ends every connection at once."""
        for connection in list(self._open):
            connection.abort("shutting down")

    # What its connections call --------------------------------------------------------------------------------------

    def next_transmission(self, connection: SmtpConnection) -> Transmission | None:
        """The next for this connection. What the relay can't take is answered here, before anything of it is sent."""
        while self._waiting:
            transmission = self._waiting.popleft()
            refusal = refuse_for_capabilities(transmission, connection.capabilities)
            if refusal is None:
                return transmission
            if transmission.smtputf8 and not connection.capabilities.smtputf8:
                self.lacks_smtputf8 = True
                if self._pool.others_may_take_smtputf8(transmission):
                    self._in_hand -= 1
                    self._return_permit()
                    self._pool.submit(transmission)
                    continue
            self._in_hand -= 1
            self._pool.refuse(transmission, refusal, self.name)
        return None

    def conclude(self, outcome: Outcome) -> None:
        """A transmission has its outcome."""
        self._in_hand -= 1
        if outcome.kind is OutcomeKind.NOT_SENT:
            self._return_permit()
        else:
            self._answers += 1
            self._pool.losses.forget(outcome.delivery_id)
            if outcome.code is not None and outcome.code != 421 and (self._is_proving or self._losses):
                self._has_proved()
        self._pool.conclude(outcome)

    def lost_with_envelope(self, delivery_id: int, reason: str, *, has_begun: bool, is_to_blame: bool) -> None:
        """A connection ended with this message's envelope open, or some of its content sent (`has_begun`).

        `is_to_blame`: the server was at this message. If that happens again and again, the message has to wait.
        """
        kind = OutcomeKind.DEFERRED
        if has_begun:
            reason = f"connection lost while sending the message ({reason})"
        elif is_to_blame and self._pool.losses.count(delivery_id):
            reason = f"connection lost again and again at this message ({reason})"
        else:
            kind = OutcomeKind.NOT_SENT
        self.conclude(Outcome(delivery_id, kind, None, reason, self.name))

    def answered_421(self, reply: str) -> None:
        """The server closed the session and wants to be left alone."""
        self._pause(RelayProblem(f"session closed: {reply}"))

    def session_refused(self, reply: str) -> None:
        """The server takes no mail from us at all (530)."""
        self._pause(RelayProblem(f"no mail taken: {reply}", needs_attention=True))

    def has_ended(self, connection: SmtpConnection, problem: str | None) -> None:
        """A connection is closed. `problem` is None when that is no sign of trouble."""
        self._open.pop(connection, None)
        if problem is not None:
            self._losses += 1
            self._last_error = problem
            log.info("relay.connection_lost", relay=self.name, error=problem, completed=connection.completed)
            if self._losses >= LOSSES_TO_PAUSE:
                self._pause(RelayProblem(problem))
        self._open_more()
        self._pool.slots_changed()

    def allow_connections(self, connections: int | None) -> None:
        """No more connections than these; those that are too many finish what is on their wire. None: no limit."""
        self.allowed_connections = connections
        for connection in list(self._open)[self._most_connections :]:
            connection.retire()
        self._open_more()

    @property
    def connections_in_use(self) -> int:
        """How many are open, or being opened."""
        return len(self._open) + len(self._opening)

    @property
    def _most_connections(self) -> int:
        allowed = self.allowed_connections
        return self._relay.connections if allowed is None else min(self._relay.connections, allowed)

    # Connections ----------------------------------------------------------------------------------------------------

    def _open_more(self) -> None:
        """Opens connections for what waits, as far as that may be."""
        opening, is_open = len(self._opening), len(self._open)
        if not self._waiting or not self.is_up or (is_open and not self._may_grow):
            return
        count = min(
            (len(self._waiting) + 1) // 2 - opening,
            max(1, is_open) - opening,
            self._most_connections - is_open - opening,
        )
        for _ in range(count):
            task = asyncio.get_running_loop().create_task(self._open_connection())
            self._opening.add(task)
            task.add_done_callback(self._opened)

    async def _open_connection(self) -> SmtpConnection:
        session = await open_session(self._relay, self._tls_context, self._pool.limits)
        # Connections that were opened together shall not all end together.
        messages = max(1, round(self._pool.messages_per_connection * (1 - 0.2 * self._pool.random())))
        connection = SmtpConnection(self, session, self._pool.limits, messages)
        session.transport.set_protocol(connection)
        return connection

    def _opened(self, task: "asyncio.Task[SmtpConnection]") -> None:
        self._opening.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            if not isinstance(error, RelayProblem):
                log.error("relay.connection_failed", relay=self.name, exc_info=error)
                error = RelayProblem(f"unexpected {type(error).__name__}", needs_attention=True)
            self._could_not_open(error)
        elif not task.cancelled():
            connection = task.result()
            if not connection.closed:
                self._growing.reset()
                self._open[connection] = None
                self._tick_later()
                self._put_to_work(connection)
        self._pool.slots_changed()

    def _put_to_work(self, connection: SmtpConnection) -> None:
        if self._is_closing:
            connection.retire()
            return
        connection.wake()
        self._open_more()

    def _could_not_open(self, problem: RelayProblem) -> None:
        """One failure or, if other connections are open, a limit on their number."""
        if not self._open:
            self._pause(problem)
            return
        self._last_error = str(problem)
        if self._may_grow:
            self._may_grow = False
            seconds = self._growing.fail()
            log.info(
                "relay.no_more_connections",
                relay=self.name,
                open=len(self._open),
                error=str(problem),
                seconds=round(seconds, 3),
            )
            self._timers.later(seconds, self._grow_again)

    def _grow_again(self) -> None:
        self._may_grow = True
        self._open_more()
        self._pool.slots_changed()

    def _tick_later(self) -> None:
        if not self._is_ticking:
            self._is_ticking = True
            self._timers.later(self._pool.tick_seconds, self._tick)

    def _tick(self) -> None:
        """Ends what has passed its deadline."""
        self._is_ticking = False
        now = asyncio.get_running_loop().time()
        for connection in list(self._open):
            if connection.deadline <= now:
                connection.time_out()
        if self._open:
            self._tick_later()

    # Pausing --------------------------------------------------------------------------------------------------------

    def _pause(self, problem: RelayProblem) -> None:
        """Leaves the relay alone for a while. What fails meanwhile is the same failure, seen by another connection."""
        self._last_error = str(problem)
        if not self.is_up:
            return
        seconds = self._pausing.fail()
        self._paused_until = time.monotonic() + seconds
        self._is_proving = True
        report = log.error if problem.needs_attention else log.warning
        report(
            "relay.paused",
            relay=self.name,
            error=str(problem),
            seconds=round(seconds, 3),
            failures_in_a_row=self._pausing.failures,
        )
        self._timers.later(seconds, self._resume)
        self._give_back_waiting(str(problem))

    def _watch(self) -> None:
        self._is_watched = True
        answers = self._answers
        self._timers.later(STALL_SECONDS, lambda: self._look_for_stall(answers))

    def _look_for_stall(self, answers_before: int) -> None:
        """Gives back what waits if the relay has answered nothing meanwhile; it gets two until it has answered one."""
        self._is_watched = False
        if not self._waiting or not self.is_up:
            return
        if answers_before == self._answers and self._pool.others_are_up(self):
            self._is_proving = True
            self._last_error = f"no answer for {STALL_SECONDS:g} s"
            log.warning("relay.stalled", relay=self.name, waiting=len(self._waiting), open=len(self._open))
            self._give_back_waiting(self._last_error)
        else:
            self._watch()

    def _resume(self) -> None:
        self._paused_until = None
        self._losses = 0
        self._pool.slots_changed()

    def _has_proved(self) -> None:
        """The relay answered about a message: it works."""
        self._losses = 0
        if self._is_proving and self._paused_until is None:
            self._is_proving = False
            self._pausing.reset()
            log.info("relay.works_again", relay=self.name)
            self._pool.slots_changed()

    def _give_back_waiting(self, reason: str) -> None:
        waiting = list(self._waiting)
        self._waiting.clear()
        self._give_back(waiting, reason)

    def _give_back(self, transmissions: Iterable[Transmission], reason: str) -> None:
        for transmission in transmissions:
            self.conclude(Outcome(transmission.delivery_id, OutcomeKind.NOT_SENT, None, reason, self.name))

    def _return_permit(self) -> None:
        if self.permits is not None:
            self.permits += 1
