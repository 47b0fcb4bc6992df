"""What an outcome means for the recipient. Pure.

ACCEPTED  → delivered
REJECTED  → failed
DEFERRED  → deferred, until the campaign's expiry; then failed
IN_DOUBT  → unconfirmed, to be sent again until expiry, or held (SENDMILL_IN_DOUBT)
NOT_SENT  → queued; no attempt was made
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from sendmill.delivery.states import State
from sendmill.delivery.transmission import OutcomeKind

FIRST_RESEND_SECONDS = 5.0
"""Before the first repeat of a message in doubt: long enough for a server that restarts, short enough not to matter.
Further ones follow the delays of a 4xx, so that a message that kills the server can't do so without end."""

JITTER = 0.15
"""Delays differ by up to this part, up or down: what failed together should not come back together."""


class Decision(NamedTuple):
    """The recipient's next state and, where it will be tried again, when: milliseconds since 1970, UTC."""

    state: State
    next_attempt_ms: int | None


DELIVERED = Decision(State.DELIVERED, None)
FAILED = Decision(State.FAILED, None)
QUEUED = Decision(State.QUEUED, None)
HELD = Decision(State.UNCONFIRMED_HELD, None)


def decide(
    kind: OutcomeKind,
    attempts: int,
    now_ms: int,
    expires_ms: int,
    retry_seconds: Sequence[float],
    in_doubt: Literal["resend", "hold"],
    random: Callable[[], float],
) -> Decision:
    """What becomes of a recipient after an outcome.

    `attempts` counts this one, so it is at least 1 (NOT_SENT aside). `random` gives a float in [0, 1). A retry is never
    later than expiry, where the last attempt is made; what fails for now at or after expiry fails for good, and what is
    in doubt then stays unconfirmed.
    """
    if kind is OutcomeKind.ACCEPTED:
        return DELIVERED
    if kind is OutcomeKind.NOT_SENT:
        return QUEUED
    if kind is OutcomeKind.REJECTED:
        return FAILED
    expired = now_ms >= expires_ms
    if kind is OutcomeKind.DEFERRED:
        if expired:
            return FAILED
        seconds = _repeated(retry_seconds, attempts)
        return Decision(State.DEFERRED, _later(now_ms, seconds, expires_ms, random))
    if in_doubt == "hold" or expired:
        return HELD
    seconds = min(FIRST_RESEND_SECONDS, retry_seconds[0]) if attempts <= 1 else _repeated(retry_seconds, attempts - 1)
    return Decision(State.UNCONFIRMED, _later(now_ms, seconds, expires_ms, random))


def _repeated(retry_seconds: Sequence[float], attempts: int) -> float:
    return retry_seconds[min(max(attempts, 1), len(retry_seconds)) - 1]


def _later(now_ms: int, seconds: float, expires_ms: int, random: Callable[[], float]) -> int:
    factor = 1 + JITTER * (2 * random() - 1)
    return min(now_ms + math.ceil(1000 * seconds * factor), expires_ms)
