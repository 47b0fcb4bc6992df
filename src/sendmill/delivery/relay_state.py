"""How long to leave something alone that fails, and which transmissions it fails at."""

import asyncio
from collections.abc import Callable

MESSAGE_LOSSES = 3
"""After this many connections lost at one message's envelope, the message is taken to be the reason."""


class Backoff:
    """A delay that doubles with every failure in a row, from `first` to `longest` seconds.

    Up to a fifth is taken off at random, so that the workers of many machines don't come back at the same instant.
    """

    __slots__ = ("_first", "_longest", "_random", "failures")

    def __init__(self, first: float, longest: float, random: Callable[[], float]) -> None:
        self._first = first
        self._longest = longest
        self._random = random
        self.failures = 0

    def fail(self) -> float:
        """Counts a failure and returns the seconds to wait."""
        seconds = min(self._first * 2.0 ** min(self.failures, 30), self._longest)
        self.failures += 1
        return seconds * (1 - 0.2 * self._random())

    def reset(self) -> None:
        """Things work again."""
        self.failures = 0


class Timers:
    """Calls to be made later, unless all are called off before."""

    __slots__ = ("_timers",)

    def __init__(self) -> None:
        self._timers: set[asyncio.TimerHandle] = set()

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Calls `act` after a time."""

        def run() -> None:
            self._timers.discard(timer)
            act()

        timer = asyncio.get_running_loop().call_later(seconds, run)
        self._timers.add(timer)

    def cancel(self) -> None:
        """None of them is made."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()


class LossCounter:
    """How often a connection was lost at a message's envelope, over all relays.

    Such a loss is the relay's fault at first: the message goes back unsent. Were it always so, a recipient whose
    address makes a server hang up would go round for ever and stop all others. Bounded: the oldest of 1,000 counts is
    forgotten.
    """

    __slots__ = ("_counts",)
    _MOST = 1_000

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def count(self, delivery_id: int) -> bool:
        """Counts one loss. True: it was the message's third, so the message shall wait rather than the relay."""
        losses = self._counts.pop(delivery_id, 0) + 1
        if losses >= MESSAGE_LOSSES:
            return True
        self._counts[delivery_id] = losses
        if len(self._counts) > self._MOST:
            del self._counts[next(iter(self._counts))]
        return False

    def forget(self, delivery_id: int) -> None:
        """The message got a reply."""
        if self._counts:
            self._counts.pop(delivery_id, None)
