"""A relay's rate holds over any number of takers."""

import pytest

from sendmill.delivery import budget
from sendmill.delivery.clock import now_ms

pytestmark = pytest.mark.django_db


def take(count: int, rate: float, now: int) -> int:
    return budget.take({"relay:25": count}, {"relay:25": rate}, now)["relay:25"].messages


@pytest.mark.parametrize("rate", [1.0, 7.5, 100.0, 5_000.0])
@pytest.mark.parametrize("visit_ms", [10, 100, 140])
def test_over_ten_seconds_the_rate_is_kept_within_two_per_cent(rate: float, visit_ms: int):
    start = now_ms()
    take(10_000, rate, start)
    sent = sum(take(10_000, rate, start + at) for at in range(visit_ms, 10_001, visit_ms))
    assert sent <= rate * 10 * 1.02
    assert sent >= rate * 10 * 0.98 - 1


def test_a_quiet_relay_does_not_save_up():
    start = now_ms()
    take(10_000, 100.0, start)
    assert take(10_000, 100.0, start + 3_600_000) == 1 + 100.0 * budget.BUCKET_SECONDS


def test_what_was_saved_up_and_ten_seconds_of_the_rate_are_within_two_per_cent():
    start, rate = now_ms(), 100.0
    take(10_000, rate, start)
    back = start + 60_000
    sent = sum(take(10_000, rate, back + at) for at in range(0, 10_000, 20))
    assert sent <= rate * 10 * 1.02 + 1


def test_a_slow_rate_gives_one_message_at_a_time():
    start = now_ms()
    take(10, 0.5, start)
    assert [take(10, 0.5, start + at) for at in (1_000, 1_999, 2_000, 2_001)] == [0, 0, 1, 0]


def test_a_clock_that_goes_back_gives_nothing_twice():
    start = now_ms()
    take(10_000, 100.0, start)
    assert take(10_000, 100.0, start - 100) == 0
    assert take(10_000, 100.0, start) <= 1


def test_nothing_wanted_takes_nothing():
    assert budget.take({"relay:25": 0}, {"relay:25": 1.0}, now_ms()) == {}


def test_several_are_taken_from_in_one_visit():
    start = now_ms()
    wanted, rates = {"relay:25": 10, "domain:x": 10, "none": 0}, {"relay:25": 100.0, "domain:x": 8.0, "none": 1.0}
    budget.take(wanted, rates, start)
    given = budget.take(wanted, rates, start + 250)
    assert {key: grant.messages for key, grant in given.items()} == {"relay:25": 10, "domain:x": 2}


def test_it_says_when_the_next_is_there():
    start = now_ms()
    assert budget.take({"relay:25": 1}, {"relay:25": 0.5}, start) == {"relay:25": (0, 2.0)}
    assert budget.take({"relay:25": 1}, {"relay:25": 0.5}, start + 1_500) == {"relay:25": (0, 0.5)}
    assert budget.take({"relay:25": 1}, {"relay:25": 0.5}, start + 2_000) == {"relay:25": (1, 2.0)}


def test_what_is_given_back_is_there_for_others_but_no_more_than_a_bucket_holds():
    start = now_ms()
    take(10_000, 100.0, start)
    assert take(10, 100.0, start + 100) == 10
    assert take(-4, 100.0, start + 100) == -4
    assert take(10, 100.0, start + 100) == 4
    take(-10_000, 100.0, start + 100)
    assert take(10_000, 100.0, start + 100) == 1 + 100.0 * budget.BUCKET_SECONDS
