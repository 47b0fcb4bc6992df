"""What a worker has in hand."""

from sendmill.addresses import envelope_address
from sendmill.delivery.gates import Gates
from sendmill.delivery.hands import Hands
from sendmill.delivery.models import CHUNK_SHIFT
from sendmill.delivery.queue import Claim, ClaimedRow
from sendmill.delivery.render import CampaignMessage
from sendmill.delivery.routes import Room, Route
from sendmill.delivery.selection import Selection
from sendmill.delivery.states import State


def claim(chunk_id: int, count: int, campaign_id: int = 1) -> Claim:
    first = chunk_id << CHUNK_SHIFT
    rows = [ClaimedRow(first + n, f"p{n}@example.com", "", "{}", State.QUEUED, 0) for n in range(count)]
    return Claim(chunk_id, campaign_id, 1, rows, 0)


def message_of(client: str = "a" * 24, sender: str = "news@sender.test", route: Route = ()) -> CampaignMessage:
    """A campaign that renders nothing."""
    return CampaignMessage(
        object_id="c" * 24,
        client_id=int(client[0], 16),
        client_object_id=client,
        sender=sender,
        route=route,
        envelope_sender=envelope_address(sender),
        message_id_domain="sender.test",
        compiled=None,
        problem="",
    )


def hands_with(*claims: Claim) -> Hands:
    hands = Hands()
    for each in claims:
        hands.add(each, message_of(), deadline=100.0)
    return hands


def take(hands: Hands, most: int) -> list[ClaimedRow]:
    return Selection(Gates()).take(hands.all(), Room({"relay:25": most}))


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
