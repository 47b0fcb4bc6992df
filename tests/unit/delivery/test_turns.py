"""Fair turns."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sendmill.delivery.turns import Turns


def served(turns: Turns[str], weights: dict[str, int], count: int) -> list[str]:
    order = []
    for _ in range(count):
        key = turns.next(weights)
        turns.took(key, weights[key])
        order.append(key)
    return order


@given(st.dictionaries(st.text(min_size=1), st.integers(1, 9), min_size=1, max_size=6))
def test_everybody_gets_their_share_to_within_a_turn(weights: dict[str, int]) -> None:
    rounds = 50
    counted = Counter(served(Turns(), weights, rounds * sum(weights.values())))
    for key, weight in weights.items():
        assert abs(counted[key] - rounds * weight) <= 1 + weight


def test_who_comes_late_gets_a_share_from_then_on_and_nothing_for_the_time_before() -> None:
    turns: Turns[str] = Turns()
    served(turns, {"old": 1}, 1_000)
    assert Counter(served(turns, {"old": 1, "new": 1}, 100)) == {"old": 50, "new": 50}


def test_who_was_away_does_not_catch_up() -> None:
    turns: Turns[str] = Turns()
    served(turns, {"a": 1, "b": 1}, 10)
    served(turns, {"a": 1}, 1_000)
    assert Counter(served(turns, {"a": 1, "b": 1}, 100))["b"] in (49, 50, 51)


def test_one_turn_at_a_time_is_fair_too() -> None:
    """A relay with a slow rate lets one message through at a time."""
    turns: Turns[str] = Turns()
    assert [served(turns, {"a": 1, "b": 1}, 1)[0] for _ in range(6)] == ["a", "b", "a", "b", "a", "b"]


def test_it_does_not_remember_for_ever() -> None:
    turns: Turns[int] = Turns()
    for number in range(10_000):
        turns.took(number)
        turns.took(0)
    assert len(turns._finish) < 3_000
