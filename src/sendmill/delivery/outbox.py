"""The outbox: a Maildir instead of a relay, behind the same interface. Nothing leaves the machine.

A message is written to tmp/ and renamed into new/. Its file name follows from its Message-ID, so a repeat takes the
place of the first instead of standing beside it. Lines end in LF, as in every Maildir; the two headers that a final
delivery adds (RFC 5321 4.4) keep the envelope: Return-Path and Delivered-To.

Files are not synced to disk: after a power cut mail of the last seconds may be missing here, where it has gone nowhere
anyway.
"""

import asyncio
import hashlib
import os
import re
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from sendmill.delivery.relay_state import Backoff
from sendmill.delivery.relays import Relay
from sendmill.delivery.transmission import Outcome, OutcomeKind, RelayHealth, Transmission

if TYPE_CHECKING:
    from sendmill.delivery.relay_pool import RelayPool

log = structlog.get_logger()

SLOTS = 64
_BATCH = 16
"""Messages written in one turn of the event loop: at 0.2 ms for one of 4 KB, a turn of 3 ms needs no thread."""
_MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(?:\r\n[ \t]+)?(<[^>\r\n]+>)", re.IGNORECASE | re.MULTILINE)


def maildir_file_name(transmission: Transmission) -> str:
    """The name a message always gets: from its Message-ID, else from its delivery's id."""
    header = transmission.content.partition(b"\r\n\r\n")[0]
    found = _MESSAGE_ID.search(header)
    if found is None:
        return f"{transmission.delivery_id}.sendmill"
    # The recipient too: one Message-ID with two envelopes is two deliveries.
    digest = hashlib.blake2b(found[1] + b"\0" + transmission.recipient, digest_size=16)
    return f"{digest.hexdigest()}.sendmill"


class OutboxChannel:
    """Writes transmissions into a Maildir, a few in each turn of the event loop."""

    lacks_smtputf8 = False
    takes_anybody = True

    def __init__(self, relay: Relay, pool: "RelayPool", folder: Path | None) -> None:
        if folder is None:
            raise ValueError("an outbox needs its folder")
        self.name = relay.name
        self.permits: int | None = None
        self.allowed_connections: int | None = None
        self._folder = folder
        self._pool = pool
        self._waiting: deque[Transmission] = deque()
        self._pausing = Backoff(pool.limits.pause_first, pool.limits.pause_longest, pool.random)
        self._paused_until: float | None = None
        self._resume_timer: asyncio.TimerHandle | None = None
        self._has_folders = False
        self._is_scheduled = False
        self._is_closing = False
        self._last_error: str | None = None

    def allow_connections(self, connections: int | None) -> None:
        """It has none."""
        self.allowed_connections = connections

    @property
    def connections_in_use(self) -> int:
        """None."""
        return 0

    @property
    def is_up(self) -> bool:
        """Whether it takes transmissions."""
        return self._paused_until is None and not self._is_closing

    def free_slots(self) -> int:
        """How many more transmissions it takes now."""
        if not self.is_up:
            return 0
        free = SLOTS - len(self._waiting)
        return max(free if self.permits is None else min(free, self.permits), 0)

    def submit(self, transmission: Transmission) -> None:
        """Takes a transmission; NOT_SENT at once when the outbox can't be written."""
        if self.permits is not None:
            self.permits -= 1
        if not self.is_up:
            self._not_sent(transmission, self._last_error or "shutting down")
            return
        self._waiting.append(transmission)
        self._schedule()

    def withdraw(self, is_wanted_back: Callable[[Transmission], bool]) -> None:
        """Gives back, NOT_SENT, those that are not written yet and `is_wanted_back` is true."""
        waiting = list(self._waiting)
        self._waiting.clear()
        for transmission in waiting:
            if is_wanted_back(transmission):
                self._not_sent(transmission, "withdrawn")
            else:
                self._waiting.append(transmission)

    def health(self) -> RelayHealth:
        """Its state now."""
        paused = 0.0 if self._paused_until is None else max(self._paused_until - time.monotonic(), 0.0)
        return RelayHealth(
            self.name, paused, self._pausing.failures, self._last_error, 0, len(self._waiting), self.permits
        )

    def begin_close(self) -> None:
        """Takes nothing more; what waits comes back NOT_SENT."""
        self._is_closing = True
        if self._resume_timer is not None:
            self._resume_timer.cancel()
        self._give_back_waiting("shutting down")

    @property
    def is_settled(self) -> bool:
        """Whether nothing is in hand."""
        return not self._waiting

    def abort(self) -> None:
        """There is nothing to cut off."""

    def _schedule(self) -> None:
        if self._waiting and not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._write_some)

    def _write_some(self) -> None:
        """A batch, then the event loop gets its turn."""
        self._is_scheduled = False
        for _ in range(min(_BATCH, len(self._waiting))):
            if not self._waiting:  # given back by a callback
                break
            transmission = self._waiting.popleft()
            try:
                is_written = self._write(transmission)
            except OSError as error:
                self._pause(f"{error.strerror or error}: {error.filename or self._folder}")
                self._not_sent(transmission, self._last_error or "")
                self._give_back_waiting(self._last_error or "")
                return
            if is_written:
                self._pausing.reset()
                self._pool.conclude(
                    Outcome(transmission.delivery_id, OutcomeKind.ACCEPTED, 250, "2.0.0 in the outbox", self.name)
                )
            else:
                self._not_sent(transmission, "not sent: the hand-over was withdrawn")
        self._schedule()

    def _write(self, transmission: Transmission) -> bool:
        """Writes a message; whether it was allowed to be. Raises OSError, and then nothing is in new/."""
        if not self._has_folders:
            for name in ("tmp", "new", "cur"):
                (self._folder / name).mkdir(parents=True, exist_ok=True)
            self._has_folders = True
        name = maildir_file_name(transmission)
        # Written by this process alone, so that two that repeat one message don't write into one file.
        draft = self._folder / "tmp" / f"{name}.{os.getpid()}"
        try:
            with draft.open("wb") as file:
                file.write(
                    b"Return-Path: <%b>\nDelivered-To: %b\n" % (transmission.envelope_sender, transmission.recipient)
                    + transmission.content.replace(b"\r\n", b"\n")
                )
            if not self._pool.may_send(transmission.delivery_id):
                draft.unlink()
                return False
            draft.replace(self._folder / "new" / name)
        except OSError:
            self._has_folders = False
            raise
        return True

    def _pause(self, problem: str) -> None:
        seconds = self._pausing.fail()
        self._last_error = problem
        self._paused_until = time.monotonic() + seconds
        log.error("relay.paused", relay=self.name, error=problem, seconds=round(seconds, 3))
        self._resume_timer = asyncio.get_running_loop().call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._paused_until = None
        self._pool.slots_changed()

    def _give_back_waiting(self, reason: str) -> None:
        waiting = list(self._waiting)
        self._waiting.clear()
        for transmission in waiting:
            self._not_sent(transmission, reason)

    def _not_sent(self, transmission: Transmission, reason: str) -> None:
        if self.permits is not None:
            self.permits += 1
        self._pool.conclude(Outcome(transmission.delivery_id, OutcomeKind.NOT_SENT, None, reason, self.name))
