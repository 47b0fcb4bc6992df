"""The rate of the last seconds."""

import pytest

from sendmill.delivery.reports import RATE_SECONDS, RateWindow


def test_a_rate_is_over_the_seconds_seen_so_far() -> None:
    window = RateWindow(begun=100.0)
    assert window.rates() == {}
    window.add(101.0, {1: 50})
    window.add(102.0, {1: 30, 2: 10})
    assert window.rates() == {1: 40.0, 2: 5.0}


def test_what_is_older_than_the_window_is_forgotten() -> None:
    window = RateWindow(begun=0.0)
    for second in range(1, 21):
        window.add(float(second), {1: 100} if second <= 10 else {1: 20})
    assert window.rates()[1] == pytest.approx(20)
    window.add(20.0 + RATE_SECONDS, {})
    assert window.rates() == {}
