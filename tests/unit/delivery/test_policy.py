"""What an outcome means for the recipient."""

import random
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendmill.delivery.policy import JITTER, Decision, decide
from sendmill.delivery.states import State
from sendmill.delivery.transmission import OutcomeKind

RETRY = (60.0, 300.0, 900.0)
NOW, EXPIRES = 1_000_000_000, 1_000_000_000 + 48 * 3_600_000


def decision(
    kind: OutcomeKind,
    attempts: int = 1,
    now_ms: int = NOW,
    expires_ms: int = EXPIRES,
    retry_seconds: tuple[float, ...] = RETRY,
    in_doubt: Literal["resend", "hold"] = "resend",
    chance: float = 0.5,
) -> Decision:
    return decide(kind, attempts, now_ms, expires_ms, retry_seconds, in_doubt, lambda: chance)


@pytest.mark.parametrize("now_ms", [NOW, EXPIRES, EXPIRES + 1])
def test_what_needs_no_second_attempt(now_ms: int) -> None:
    assert decision(OutcomeKind.ACCEPTED, now_ms=now_ms) == (State.DELIVERED, None)
    assert decision(OutcomeKind.REJECTED, now_ms=now_ms) == (State.FAILED, None)
    assert decision(OutcomeKind.NOT_SENT, attempts=0, now_ms=now_ms) == (State.QUEUED, None)


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 60), (2, 300), (3, 900), (4, 900), (1000, 900)])
def test_deferral_delays(attempts: int, seconds: int) -> None:
    assert decision(OutcomeKind.DEFERRED, attempts) == (State.DEFERRED, NOW + 1000 * seconds)


@pytest.mark.parametrize(("chance", "factor"), [(0.0, 1 - JITTER), (0.999999, 1 + JITTER)])
def test_jitter(chance: float, factor: float) -> None:
    _, at = decision(OutcomeKind.DEFERRED, chance=chance)
    assert at == pytest.approx(NOW + 60_000 * factor, abs=2)


def test_a_deferral_ends_with_the_campaign() -> None:
    late = EXPIRES - 30_000
    assert decision(OutcomeKind.DEFERRED, 5, now_ms=late) == (State.DEFERRED, EXPIRES)
    assert decision(OutcomeKind.DEFERRED, 6, now_ms=EXPIRES) == (State.FAILED, None)


def test_in_doubt() -> None:
    assert decision(OutcomeKind.IN_DOUBT, in_doubt="hold") == (State.UNCONFIRMED_HELD, None)
    assert decision(OutcomeKind.IN_DOUBT, 1) == (State.UNCONFIRMED, NOW + 5_000)
    assert decision(OutcomeKind.IN_DOUBT, 1, retry_seconds=(0.5,)) == (State.UNCONFIRMED, NOW + 500)
    assert decision(OutcomeKind.IN_DOUBT, 2) == (State.UNCONFIRMED, NOW + 60_000)
    assert decision(OutcomeKind.IN_DOUBT, 3) == (State.UNCONFIRMED, NOW + 300_000)
    assert decision(OutcomeKind.IN_DOUBT, 9, now_ms=EXPIRES) == (State.UNCONFIRMED_HELD, None)


@given(
    st.sampled_from([OutcomeKind.DEFERRED, OutcomeKind.IN_DOUBT]),
    st.integers(1, 100),
    st.integers(NOW, EXPIRES + 1000),
    st.lists(st.floats(0.001, 1e6), min_size=1, max_size=6).map(tuple),
    st.integers(),
)
def test_a_retry_lies_between_now_and_expiry(
    kind: OutcomeKind, attempts: int, now_ms: int, retry_seconds: tuple[float, ...], seed: int
) -> None:
    state, at = decide(kind, attempts, now_ms, EXPIRES, retry_seconds, "resend", random.Random(seed).random)
    if at is None:
        assert now_ms >= EXPIRES
        assert state in (State.FAILED, State.UNCONFIRMED_HELD)
    else:
        assert now_ms < at <= EXPIRES
        assert state in (State.DEFERRED, State.UNCONFIRMED)
