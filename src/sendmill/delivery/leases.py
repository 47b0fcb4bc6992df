"""Which leases have ended, told without comparing the clocks of two machines.

A renewal changes the lease's end in the database. Whoever watches doesn't read that number as a time: a lease has ended
when it hasn't changed for its whole length of the watcher's own steady clock. So neither a clock that jumps, nor two
machines' that differ, nor the database's takes a chunk from a worker that is alive. (Kubernetes elects leaders alike:
client-go, tools/leaderelection.)
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from sendmill.delivery.clock import steady_seconds


class Lease(NamedTuple):
    """A chunk's lease as the database has it. `until_ms` is 0 when its owner has ended it."""

    chunk_id: int
    owner: str
    fence: int
    until_ms: int


class LeaseWatch:
    """Watches all leases; it must be told of them a few times in their length, which is in seconds."""

    def __init__(self, lease_seconds: float, clock: Callable[[], float] = steady_seconds) -> None:
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._unchanged_since: dict[Lease, float] = {}
        self._last_look = clock()

    def ended(self, leases: Iterable[Lease]) -> set[Lease]:
        """Of all leases there are now, those that have ended."""
        now = self._clock()
        if now - self._last_look > self._lease_seconds / 2:
            # The database was down, or this process was stopped. The owners couldn't renew, or did unseen: they get the
            # whole length once more.
            self._unchanged_since.clear()
        self._last_look = now
        self._unchanged_since = {lease: self._unchanged_since.get(lease, now) for lease in leases}
        return {
            lease
            for lease, since in self._unchanged_since.items()
            if lease.until_ms == 0 or now - since > self._lease_seconds
        }
