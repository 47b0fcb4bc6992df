"""Whose turn it is: shares of what there is to give, by weight. Pure.

Start-time fair queuing (Goyal, Vin, Chen 1996): each turn moves its taker on by one over its weight, and the one that
is least far goes next. Who comes new, or comes back, begins where the others are: it gets its share from then on, and
nothing for the time before.
"""

from collections.abc import Iterable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=int | str)

_MOST_REMEMBERED = 1_000


class Turns(Generic[Key]):
    """Remembers who had how much."""

    def __init__(self) -> None:
        self._now = 0.0
        self._finish: dict[Key, float] = {}

    def next(self, keys: Iterable[Key]) -> Key:
        """Whose turn it is among these, of which there is at least one."""
        finish, now = self._finish, self._now
        return min(keys, key=lambda key: max(finish.get(key, 0.0), now))

    def took(self, key: Key, weight: float = 1.0) -> None:
        """It has had a turn."""
        self._now = max(self._finish.get(key, 0.0), self._now)
        self._finish[key] = self._now + 1.0 / weight
        if len(self._finish) > _MOST_REMEMBERED:
            self._finish = {key: finish for key, finish in self._finish.items() if finish > self._now}
