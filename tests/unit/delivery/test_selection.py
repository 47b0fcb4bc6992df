"""Which rows go next, and what is claimed and given back by that."""

from collections import Counter

import pytest

from sendmill.delivery import claiming
from sendmill.delivery.gates import Gate, Gates, LimitKey, LimitKind, LimitValues
from sendmill.delivery.hands import Hands
from sendmill.delivery.queue import ClaimedRow, PassingOver, chunk_of
from sendmill.delivery.routes import Room, Route
from sendmill.delivery.selection import Selection
from tests.unit.delivery.in_hand import CLIENT, claim, hands_with, message_of, take

OTHER = "b" * 24
SLOW = "slow.example"


class Setting:
    """Hands, gates and a selection that go together."""

    def __init__(self, **limits: LimitValues) -> None:
        self.gates = Gates()
        names = {"domain": SLOW, "client": CLIENT, "sender": "news@sender.test"}
        self.gates.set_limits({LimitKey(LimitKind(kind), names[kind]): values for kind, values in limits.items()})
        self.hands = Hands()
        self.selection = Selection(self.gates)

    @property
    def gate(self) -> Gate:
        [gate] = self.gates.all()
        return gate

    def add(
        self, chunk_id: int, count: int, campaign_id: int = 1, client: str = CLIENT, route: Route = (),
        domains: tuple[str, ...] = ("example.com",), sender: str = "news@sender.test",
    ) -> None:  # fmt: skip
        message = message_of(client, sender, route)
        gates = self.gates.of_campaign(sender, client)
        self.hands.add(claim(chunk_id, count, campaign_id, domains), message, 100.0, gates)

    def take(self, most: int, **free: int) -> list[ClaimedRow]:
        return self.selection.take(self.hands.all(), Room(free or {"relay:25": most}))


def test_one_campaign_is_taken_chunk_after_chunk() -> None:
    hands = hands_with(claim(1, 5), claim(2, 2))
    assert [chunk_of(row.id) for row in take(hands, 6)] == [1, 1, 1, 1, 1, 2]
    assert hands.waiting_rows() == 1
    assert len(take(hands, 10)) == 1
    assert take(hands, 10) == []


def test_campaigns_of_a_client_take_turns_whatever_their_size() -> None:
    setting = Setting()
    for chunk_id in range(1, 4):
        setting.add(chunk_id, 100, campaign_id=1)
    setting.add(9, 10, campaign_id=2)
    taken = [row for _ in range(20) for row in setting.take(1)]
    assert Counter(chunk_of(row.id) == 9 for row in taken) == {True: 10, False: 10}


def test_clients_share_by_weight_and_not_by_their_number_of_campaigns() -> None:
    setting = Setting(client=LimitValues(weight=3))
    for campaign in range(1, 6):
        setting.add(campaign, 200, campaign, client=OTHER)
    setting.add(9, 200, 9, client=CLIENT)
    assert Counter(chunk_of(row.id) == 9 for row in setting.take(80)) == {True: 60, False: 20}


def test_a_domain_at_its_limit_lets_the_others_through() -> None:
    setting = Setting(domain=LimitValues(rate=5.0))
    setting.add(1, 10, domains=(SLOW, "example.com"))
    assert {row.email.rpartition("@")[2] for row in setting.take(99)} == {"example.com"}
    [hand] = setting.hands.all()
    assert (hand.waiting, len(hand.rows)) == (5, 0)
    setting.gate.permits = 2
    assert [row.email for row in setting.take(99)] == [f"p0@{SLOW}", f"p2@{SLOW}"]
    assert hand.waiting == 3


def test_so_many_at_once_and_again_when_one_has_its_outcome() -> None:
    setting = Setting(domain=LimitValues(connections=2))
    setting.gate.slots = 2
    setting.add(1, 5, domains=(SLOW.upper(),))
    first, second = setting.take(99)
    assert setting.take(99) == []
    setting.gates.leave(first.id, was_sent=True)
    assert setting.gates.take_room() and not setting.gates.take_room()
    assert len(setting.take(99)) == 1
    setting.gates.leave(second.id, was_sent=True)
    setting.gates.leave(second.id, was_sent=True)
    assert setting.gate.inside == 1, "an outcome counts once"


def test_what_was_not_sent_used_nothing_of_the_rate() -> None:
    setting = Setting(client=LimitValues(rate=5.0))
    setting.gate.permits = 1
    setting.add(1, 5)
    [row] = setting.take(99)
    assert setting.take(99) == []
    setting.gates.leave(row.id, was_sent=False)
    assert len(setting.take(99)) == 1


@pytest.mark.parametrize("kind", ["client", "sender"])
def test_a_client_or_sender_at_its_limit_lets_the_others_through(kind: str) -> None:
    setting = Setting(**{kind: LimitValues(rate=5.0)})
    setting.add(1, 5, campaign_id=1)
    setting.add(2, 5, campaign_id=2, client=OTHER, sender="other@sender.test")
    assert {chunk_of(row.id) for row in setting.take(99)} == {2}
    setting.gate.permits = 3
    assert [chunk_of(row.id) for row in setting.take(99)] == [1, 1, 1]


def test_a_way_that_is_full_or_down_lets_the_others_through() -> None:
    setting = Setting()
    setting.add(1, 5, campaign_id=1, route=(("a:25",),))
    setting.add(2, 5, campaign_id=2, route=(("b:25",),))
    assert [chunk_of(row.id) for row in setting.take(0, **{"b:25": 2})] == [2, 2]
    assert [chunk_of(row.id) for row in setting.take(0, **{"a:25": 0, "b:25": 1})] == [2]
    assert Counter(chunk_of(row.id) for row in setting.take(0, **{"a:25": 9, "b:25": 9})) == {1: 5, 2: 2}


def test_limits_that_go_away_let_everything_through() -> None:
    setting = Setting(domain=LimitValues(rate=5.0))
    setting.add(1, 4, domains=(SLOW,))
    assert setting.take(99) == []
    assert setting.gates.set_limits({})
    assert not setting.gates.set_limits({})
    [hand] = setting.hands.all()
    hand.unpark()
    assert len(setting.take(99)) == 4


def test_what_went_through_without_a_rate_is_not_held_against_a_rate_that_is_set_later() -> None:
    setting = Setting(sender=LimitValues(connections=5))
    setting.gate.slots = 5
    setting.add(1, 100)
    for _ in range(20):
        for row in setting.take(5):
            setting.gates.leave(row.id, was_sent=True)
    setting.gates.set_limits({setting.gate.key: LimitValues(rate=10.0, connections=5)})
    setting.add(2, 1)
    assert setting.take(5) == []
    setting.gate.permits += 1
    assert len(setting.take(5)) == 1


# What is claimed ------------------------------------------------------------------------------------------------------

ROOM = Room({"a:25": 9})


def test_what_is_kept_back_is_no_work_and_no_more_of_it_is_claimed() -> None:
    setting = Setting(client=LimitValues(rate=5.0))
    setting.add(1, claiming.LOW_WATER, campaign_id=1)
    setting.add(2, 7, campaign_id=2, client=OTHER)
    hands = setting.hands.all()
    assert claiming.ready_rows(hands, ROOM) == 7
    assert claiming.passing_over(hands, ROOM) == PassingOver(set(), {CLIENT}, set())
    setting.gate.permits = 1
    assert claiming.ready_rows(hands, ROOM) == claiming.LOW_WATER + 7
    assert claiming.passing_over(hands, ROOM) == PassingOver(set(), set(), set())


def test_of_a_sender_at_its_limit_and_a_way_that_is_down_nothing_is_claimed() -> None:
    setting = Setting(sender=LimitValues(connections=5))
    setting.add(1, claiming.LOW_WATER, campaign_id=1)
    setting.add(2, claiming.LOW_WATER, campaign_id=2, sender="other@sender.test", route=(("b:25",),))
    hands = setting.hands.all()
    assert claiming.ready_rows(hands, ROOM) == 0
    assert claiming.passing_over(hands, ROOM) == PassingOver({2}, set(), {"news@sender.test"})


def test_of_full_hands_only_what_is_not_kept_back_is_claimed() -> None:
    setting = Setting(client=LimitValues(rate=5.0), sender=LimitValues(rate=1.0))
    for chunk_id in range(1, claiming.MOST_KEPT_BACK):
        setting.add(chunk_id, 1, campaign_id=chunk_id, route=(("b:25",),))
    hands, gates = setting.hands, setting.gates.all()
    assert claiming.passing_over(hands.all(), ROOM, gates) == PassingOver(set(), set(), set())
    setting.add(99, 1, campaign_id=99, client=OTHER)
    cut_off = set(range(1, claiming.MOST_KEPT_BACK))
    assert claiming.passing_over(hands.all(), ROOM, gates) == PassingOver(cut_off, {CLIENT}, {"news@sender.test"})
    for gate in gates:
        gate.permits = 1
    assert claiming.passing_over(hands.all(), ROOM, gates) == PassingOver(cut_off, set(), set())


def test_chunks_with_nothing_but_parked_rows_are_given_back_except_a_few() -> None:
    setting = Setting(domain=LimitValues(rate=10.0))
    for chunk_id in range(1, claiming.KEPT_PARKED + 3):
        setting.add(chunk_id, 100, domains=(SLOW,))
    assert setting.take(99) == []
    claiming.give_back_parked(setting.hands.all(), now_ms=1_000)
    given_back = setting.hands.finished()
    assert [hand.claim.chunk_id for hand in given_back] == [claiming.KEPT_PARKED + 1, claiming.KEPT_PARKED + 2]
    assert {hand.not_before_ms for hand in given_back} == {1_000 + claiming.KEPT_PARKED * 100 * 1000 // 10}
    assert setting.hands.waiting_rows() == claiming.KEPT_PARKED * 100


LARGE = "x" * 10_000_000


@pytest.mark.parametrize("campaigns", [1, 2])
def test_of_a_large_message_only_so_many_are_on_their_way_as_fit_into_memory(campaigns: int) -> None:
    hands, selection = Hands(), Selection(Gates())
    for number in range(campaigns):
        hands.add(claim(number + 1, 100, campaign_id=number + 1), message_of(body=LARGE), 100.0)
    room = {"one:25": 440, "two:25": 440}
    taken = selection.take(hands.all(), Room(room))
    assert len(taken) == 5
    for row in taken:
        assert hands.hand_over(row, 0, 0.0)
    assert selection.take(hands.all(), Room(room)) == []
    hands.settle(taken[0].id, again=False)
    assert len(selection.take(hands.all(), Room(room))) == 1


def test_a_message_larger_than_all_that_may_be_goes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sendmill.delivery.selection.MOST_LARGE_CHARACTERS", 1_000_000)
    hands = Hands()
    hands.add(claim(1, 100), message_of(body=LARGE), 100.0)
    assert len(take(hands, 440)) == 1


def test_other_messages_don_t_wait_for_large_ones() -> None:
    hands, selection = Hands(), Selection(Gates())
    hands.add(claim(1, 100, campaign_id=1), message_of(body=LARGE), 100.0)
    hands.add(claim(2, 100, campaign_id=2), message_of(client=OTHER, body="Hi"), 100.0)
    taken = selection.take(hands.all(), Room({"relay:25": 440}))
    assert Counter(chunk_of(row.id) for row in taken) == {1: 5, 2: 100}


def test_rows_of_one_campaign_take_the_room_of_all_relays() -> None:
    hands = Hands()
    hands.add(claim(1, 500), message_of(body="Hi"), 100.0)
    assert len(Selection(Gates()).take(hands.all(), Room({"one:25": 440, "two:25": 440}))) == 500
