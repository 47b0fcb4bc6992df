"""Shares of a number of connections."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendmill.delivery.slots import fair_shares


@pytest.mark.parametrize(
    ("total", "wanted", "shares"),
    [
        (10, [20, 20], [5, 5]),
        (10, [2, 20], [2, 8]),
        (10, [2, 3], [2, 3]),
        (3, [9, 0, 9], [2, 0, 1]),
        (1, [5, 5], [1, 0]),
        (0, [5], [0]),
    ],
)
def test_shares(total: int, wanted: list[int], shares: list[int]) -> None:
    assert fair_shares(total, wanted, 0) == shares


@given(st.integers(0, 200), st.lists(st.integers(0, 300), min_size=1, max_size=9), st.integers(0, 10**9))
def test_all_is_dealt_out_that_is_wanted_and_evenly(total: int, wanted: list[int], first: int) -> None:
    shares = fair_shares(total, wanted, first)
    assert sum(shares) == min(total, sum(wanted))
    assert all(share <= want for share, want in zip(shares, wanted, strict=True))
    unsatisfied = [share for share, want in zip(shares, wanted, strict=True) if share < want]
    assert all(share <= min(unsatisfied, default=share) + 1 for share in shares)


def test_a_single_one_goes_round() -> None:
    assert [fair_shares(1, [1, 1, 1], first) for first in range(3)] == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
