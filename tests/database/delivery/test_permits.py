"""What a process holds of the rates: as much as it can send soon, and nothing that another could use."""

import asyncio
from collections.abc import Callable

import pytest

from sendmill.delivery.database_thread import DatabaseThread
from sendmill.delivery.gates import Gates, LimitKey, LimitKind, LimitValues
from sendmill.delivery.hands import Hands
from sendmill.delivery.limits import set_limit
from sendmill.delivery.models import TokenBucket
from sendmill.delivery.permits import Permits
from sendmill.delivery.relay_pool import RelayPool
from sendmill.delivery.relays import parse_relays
from tests.unit.delivery.in_hand import claim, message_of

pytestmark = pytest.mark.django_db(transaction=True)

RATE = 80.0
AHEAD = 11
SENDER = LimitKey(LimitKind.SENDER, "slow@sender.test")
RELAYS = parse_relays("smtp://a:25,smtp://own:25?senders=own.test")


def permits_after(hands: Hands, *changes: Callable[[], object]) -> list[int | None]:
    """What the two relays have after a process has looked, and looked again after each change."""
    set_limit(LimitKey(LimitKind.RELAY, "a:25"), LimitValues(RATE))
    set_limit(SENDER, LimitValues(8.0))
    for key in ("a:25", SENDER.bucket):
        TokenBucket.objects.create(key=key, tokens=100.0, refilled_ms=0)

    async def scenario() -> list[int | None]:
        pool = RelayPool(RELAYS, lambda _: True, lambda _: None)
        database = DatabaseThread(10.0)
        permits = Permits(database, "owner", pool, Gates(), RELAYS)
        await permits.refresh(hands)
        for change in changes:
            change()
            await permits.refresh(hands)
        await database.close()
        return [relay.permits for relay in pool.health()]

    return asyncio.run(scenario())


def hands_of(count: int, sender: str = "news@sender.test", route: tuple[tuple[str, ...], ...] = (("a:25",),)) -> Hands:
    hands = Hands()
    hands.add(claim(1, count), message_of(sender=sender, route=route), deadline=1e9)
    return hands


def test_a_relay_gets_what_can_go_to_it_soon() -> None:
    assert permits_after(hands_of(3)) == [3, None]


def test_and_no_more_than_until_the_next_visit() -> None:
    assert permits_after(hands_of(500)) == [AHEAD, None]


def test_rows_that_go_another_way_hold_nothing_of_it() -> None:
    assert permits_after(hands_of(500, route=(("own:25",), ("a:25",)))) == [0, None]


def test_rows_at_another_limit_hold_what_that_lets_through() -> None:
    assert permits_after(hands_of(500, sender=SENDER.name)) == [2, None]


def test_what_nobody_here_can_use_any_more_is_given_back() -> None:
    hands = hands_of(500)
    assert permits_after(hands, lambda: hands.remove(1)) == [0, None]
    assert TokenBucket.objects.get(key="a:25").tokens >= AHEAD
