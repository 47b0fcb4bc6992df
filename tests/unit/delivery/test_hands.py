"""What a worker has in hand."""

from sendmill.delivery.hands import Hands
from sendmill.delivery.models import CHUNK_SHIFT
from sendmill.delivery.queue import Claim, ClaimedRow
from sendmill.delivery.states import State


def claim(chunk_id: int, count: int, campaign_id: int = 1) -> Claim:
    first = chunk_id << CHUNK_SHIFT
    rows = [ClaimedRow(first + n, f"p{n}@example.com", "", "{}", State.QUEUED, 0) for n in range(count)]
    return Claim(chunk_id, campaign_id, 1, rows, 0)


def hands_with(*claims: Claim) -> Hands:
    hands = Hands()
    for each in claims:
        hands.add(each, deadline=100.0)
    return hands


def test_rows_are_taken_in_turns_from_each_chunk():
    hands = hands_with(claim(1, 5), claim(2, 2))
    assert [row.id >> CHUNK_SHIFT for row in hands.take(6)] == [1, 2, 1, 2, 1, 1]
    assert hands.waiting_rows() == 1
    assert len(hands.take(10)) == 1
    assert hands.take(10) == []


def test_a_chunk_is_finished_when_nothing_waits_and_nothing_is_on_its_way():
    hands = hands_with(claim(1, 1))
    [row] = hands.take(1)
    hands.hand_over(row, now_ms=10, now=10.0)
    assert hands.finished() == []
    hands.settle(row.id, again=False)
    assert [hand.claim.chunk_id for hand in hands.finished()] == [1]


def test_what_was_not_sent_waits_again():
    hands = hands_with(claim(1, 1))
    [row] = hands.take(1)
    hands.hand_over(row, now_ms=10, now=10.0)
    hands.settle(row.id, again=True)
    assert hands.outstanding(row.id) is None
    assert hands.take(1) == [row]


def test_letting_go_leaves_what_is_on_its_way():
    hands = hands_with(claim(1, 3), claim(2, 1))
    [row] = hands.take(1)
    hands.hand_over(row, now_ms=10, now=10.0)
    hands.let_go({1, 99})
    assert hands.outstanding(row.id) is not None
    assert [left.id >> CHUNK_SHIFT for left in hands.take(9)] == [2]


def test_what_was_not_sent_of_a_chunk_that_was_let_go_is_left_to_the_next_claim():
    hands = hands_with(claim(1, 2))
    [row] = hands.take(1)
    hands.hand_over(row, now_ms=10, now=10.0)
    hands.let_go({1})
    hands.settle(row.id, again=True)
    assert [hand.claim.chunk_id for hand in hands.finished()] == [1]


def test_late_rows_are_those_that_still_wait_for_a_connection():
    hands = hands_with(claim(1, 3))
    first, second, third = hands.take(3)
    for row, moment in ((first, 10.0), (second, 10.0), (third, 50.0)):
        hands.hand_over(row, now_ms=99, now=moment)
    leaving = hands.outstanding(first.id)
    assert leaving is not None
    leaving.is_leaving = True
    assert hands.late(before=50.0) == [second]


def test_a_row_of_a_chunk_that_is_gone_is_not_handed_over():
    hands = hands_with(claim(1, 1))
    [row] = hands.take(1)
    hands.remove(1)
    assert hands.hand_over(row, now_ms=10, now=10.0) is None
    hands.settle(row.id, again=True)
    assert hands.waiting_rows() == 0
