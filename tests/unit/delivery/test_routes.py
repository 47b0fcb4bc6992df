"""Which relays take whose mail."""

from sendmill.delivery.relays import parse_relays
from sendmill.delivery.routes import Room, Route, leads_to, route_of

CLIENT = "57bba6fac75dae266c4aee1f"
RELAYS = parse_relays(
    "smtp://a:25,smtp://b:25,smtp://second:25?priority=2,"
    f"smtp://vip:25?senders=vip%40x.example;vip.example,smtp://own:25?clients={CLIENT}&priority=3"
)
GENERAL: Route = (("a:25", "b:25"), ("second:25",))


def test_anybodys_mail_goes_by_priority() -> None:
    assert route_of(RELAYS, "news@x.example", "0" * 24) == GENERAL


def test_who_is_named_has_relays_before_the_others() -> None:
    assert route_of(RELAYS, "vip@x.example", "0" * 24) == (("vip:25",), *GENERAL)
    assert route_of(RELAYS, "any@vip.example", "0" * 24) == (("vip:25",), *GENERAL)
    assert route_of(RELAYS, "any@vip.example", CLIENT) == (("vip:25",), ("own:25",), *GENERAL)
    assert route_of(RELAYS, "any@sub.vip.example", "0" * 24) == GENERAL


def test_places_are_at_the_relay_with_most_room_in_the_first_tier_that_is_up() -> None:
    room = Room({"a:25": 1, "b:25": 2, "second:25": 9})
    assert room.left == 12
    assert [room.place(GENERAL) for _ in range(4)] == [1, 1, 1, 0], "a full tier is waited for"
    assert not room.has_place(GENERAL)
    assert room.left == 9


def test_the_next_tier_takes_over_while_all_of_the_first_are_down() -> None:
    assert Room({"a:25": 0, "second:25": 9}).place(GENERAL, 5) == 0
    assert Room({"second:25": 9}).place(GENERAL, 5) == 5
    assert Room({"vip:25": 9}).place(GENERAL, 5) == 0


def test_without_a_route_all_relays_are_one_tier() -> None:
    room = Room({"a:25": 2, "vip:25": 3})
    assert sum(room.place((), 9) for _ in range(3)) == 5


def test_a_way_is_down_when_all_its_relays_are_unless_everything_is() -> None:
    assert Room({"second:25": 0}).is_up(GENERAL)
    assert not Room({"vip:25": 5}).is_up(GENERAL)
    assert Room({}).is_up(GENERAL)


def test_a_message_may_go_to_the_relays_of_the_first_tier_that_is_up() -> None:
    up = {"a:25", "second:25", "vip:25"}
    assert [leads_to(GENERAL, relay, up) for relay in ("a:25", "b:25", "second:25", "vip:25")] == [True] + 3 * [False]
    assert leads_to(GENERAL, "second:25", {"second:25"})
    assert leads_to((), "vip:25", up)
    assert not leads_to(GENERAL, "a:25", {"vip:25"})
