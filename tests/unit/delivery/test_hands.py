"""What a worker has in hand."""

from sendmill.delivery.models import CHUNK_SHIFT
from tests.unit.delivery.in_hand import claim, hands_with, take


def test_a_chunk_is_finished_when_nothing_waits_and_nothing_is_on_its_way():
    hands = hands_with(claim(1, 1))
    [row] = take(hands, 1)
    hands.hand_over(row, now_ms=10, now=10.0)
    assert hands.finished() == []
    hands.settle(row.id, again=False)
    assert [hand.claim.chunk_id for hand in hands.finished()] == [1]


def test_what_was_not_sent_waits_again():
    hands = hands_with(claim(1, 1))
    [row] = take(hands, 1)
    hands.hand_over(row, now_ms=10, now=10.0)
    hands.settle(row.id, again=True)
    assert hands.outstanding(row.id) is None
    assert take(hands, 1) == [row]


def test_letting_go_leaves_what_is_on_its_way():
    hands = hands_with(claim(1, 3), claim(2, 1))
    [row] = take(hands, 1)
    hands.hand_over(row, now_ms=10, now=10.0)
    hands.let_go({1, 99})
    assert hands.outstanding(row.id) is not None
    assert [left.id >> CHUNK_SHIFT for left in take(hands, 9)] == [2]


def test_what_was_not_sent_of_a_chunk_that_was_let_go_is_left_to_the_next_claim():
    hands = hands_with(claim(1, 2))
    [row] = take(hands, 1)
    hands.hand_over(row, now_ms=10, now=10.0)
    hands.let_go({1})
    hands.settle(row.id, again=True)
    assert [hand.claim.chunk_id for hand in hands.finished()] == [1]


def test_late_rows_are_those_that_still_wait_for_a_connection():
    hands = hands_with(claim(1, 3))
    first, second, third = take(hands, 3)
    for row, moment in ((first, 10.0), (second, 10.0), (third, 50.0)):
        hands.hand_over(row, now_ms=99, now=moment)
    leaving = hands.outstanding(first.id)
    assert leaving is not None
    leaving.is_leaving = True
    assert hands.late(before=50.0) == [second]


def test_a_row_of_a_chunk_that_is_gone_is_not_handed_over():
    hands = hands_with(claim(1, 1))
    [row] = take(hands, 1)
    hands.remove(1)
    assert hands.hand_over(row, now_ms=10, now=10.0) is None
    hands.settle(row.id, again=True)
    assert hands.waiting_rows() == 0


def test_recorded_outcomes_are_counted_by_campaign_once():
    hands = hands_with(claim(1, 2, campaign_id=7), claim(2, 1, campaign_id=8))
    rows = take(hands, 1) + take(hands, 1) + take(hands, 1)
    for row in rows:
        hands.hand_over(row, now_ms=10, now=10.0)
    hands.settle(rows[0].id, again=False)
    hands.settle(rows[1].id, again=True)
    hands.settle(rows[2].id, again=False)
    assert hands.take_recorded() == {7: 1, 8: 1}
    assert hands.take_recorded() == {}
