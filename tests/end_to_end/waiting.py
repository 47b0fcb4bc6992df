"""Waiting for something to become true, instead of for time to pass."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

_PAUSE_SECONDS = 0.02
# What takes long to ask is asked less often: a server that is asked all the time, by several tests at once, does little
# else on two cores.
_PAUSE_FOR_ITS_TIME = 10
_LONGEST_PAUSE_SECONDS = 0.3


def wait_for(condition: Callable[[], Value], timeout: float = 30.0, what: str | Callable[[], object] = "") -> Value:
    """The first true value that `condition()` returns, asked for again and again.

    `timeout` in seconds; `what` says what was waited for, as text or as a function that tells how things stand.
    Raises AssertionError when the time is over.
    """
    deadline = time.monotonic() + timeout
    while True:
        asked = time.monotonic()
        value = condition()
        if value:
            return value
        took = time.monotonic() - asked
        if time.monotonic() > deadline:
            state = what() if callable(what) else what
            raise AssertionError(f"not within {timeout:g} s: {state or condition}")
        time.sleep(min(max(_PAUSE_SECONDS, _PAUSE_FOR_ITS_TIME * took), _LONGEST_PAUSE_SECONDS))
