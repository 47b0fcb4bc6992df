"""Connections over all workers: never more than the limit, whoever comes, goes or dies."""

import random

import pytest

from sendmill.delivery import slots
from sendmill.delivery.gates import LimitKey, LimitKind, LimitValues
from sendmill.delivery.limits import set_limit
from sendmill.delivery.models import SlotHolding
from sendmill.delivery.reports import FRESH_MS

pytestmark = pytest.mark.django_db

KEY = LimitKey(LimitKind.RELAY, "relay:25")
NOW = 1_000_000


def hold(owner: str, wanted: int, in_use: int, now: int = NOW) -> int:
    return slots.hold_at(owner, KEY, wanted, in_use, now)


def test_one_worker_has_them_all_until_another_comes() -> None:
    set_limit(KEY, LimitValues(connections=10))
    assert hold("a", 20, 0) == 10
    assert hold("b", 20, 0) == 0, "what a uses is not given away"
    assert hold("a", 20, 10) == 10
    assert hold("a", 20, 6) == 6
    assert hold("b", 20, 0) == 4
    assert hold("a", 20, 3) == 5
    assert hold("b", 20, 4) == 5


def test_who_wants_none_any_more_leaves_them_to_the_others() -> None:
    set_limit(KEY, LimitValues(connections=10))
    hold("a", 20, 0)
    assert hold("a", 0, 0) == 0
    assert not SlotHolding.objects.exists()
    assert hold("b", 20, 0) == 10


def test_a_clean_end_leaves_them_at_once() -> None:
    set_limit(KEY, LimitValues(connections=10))
    hold("a", 20, 0)
    slots.give_up("a")
    assert hold("b", 20, 0) == 10


def test_the_dead_leave_theirs_after_a_while() -> None:
    set_limit(KEY, LimitValues(connections=10))
    hold("dead", 20, 0)
    assert hold("b", 20, 0, NOW + FRESH_MS) == 0
    assert hold("b", 20, 0, NOW + FRESH_MS + 1) == 10


def test_a_limit_that_is_gone_gives_nothing_more() -> None:
    assert hold("a", 20, 3) == 3


def test_at_no_moment_more_are_used_than_there_are() -> None:
    """Workers that take up and give back at random."""
    draw = random.Random(7)
    set_limit(KEY, LimitValues(connections=9))
    in_use = dict.fromkeys("abcd", 0)
    most_seen = 0
    for step in range(400):
        worker = draw.choice("abcd")
        in_use[worker] = draw.randint(0, in_use[worker])
        held = hold(worker, draw.choice((0, 2, 20)), in_use[worker], NOW + 100 * step)
        in_use[worker] = draw.randint(in_use[worker], held)
        assert sum(in_use.values()) <= 9
        most_seen = max(most_seen, sum(in_use.values()))
    assert most_seen == 9
