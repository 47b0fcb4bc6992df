"""Relays by route, and connections by permission."""

import asyncio

from sendmill.delivery.transmission import OutcomeKind
from tests.unit.delivery.smtp_peer import (
    PATIENT,
    SHORT_PAUSES,
    ScriptedServer,
    Sending,
    in_loop,
    message,
    serving,
    until,
)


def names(*servers: ScriptedServer) -> tuple[str, ...]:
    return tuple(f"127.0.0.1:{server.port}" for server in servers)


@in_loop
async def test_the_first_tier_that_is_up_takes_it() -> None:
    async with ScriptedServer(serving(b"PIPELINING")) as second:
        async with ScriptedServer(serving(b"PIPELINING")) as first:
            route = (names(first), names(second))
            sending = Sending(first, second, query="tls=none&connections=1", limits=SHORT_PAUSES)
            await sending.outcome(*(message(i, route=route) for i in range(5)))
            assert (len(first.messages), len(second.messages)) == (5, 0)
            port = first.port
        # Down now: what it has comes back, and goes to the next when it is submitted again.
        async with sending:
            number = 5
            while (await sending.outcome(message(number, route=route))).kind is not OutcomeKind.ACCEPTED:
                number += 1
            assert len(second.messages) == 1
            async with ScriptedServer(serving(b"PIPELINING"), port=port) as again:
                await until(lambda: sending.pool.room().has_place(route[:1]))
                await sending.outcome(message(99, route=route))
                assert (len(again.messages), len(second.messages)) == (1, 1)


@in_loop
async def test_an_address_that_no_relay_on_its_route_can_take_is_refused() -> None:
    async with (
        ScriptedServer(serving(b"PIPELINING")) as without,
        ScriptedServer(serving(b"PIPELINING", b"SMTPUTF8")) as of_others,
        Sending(without, of_others, query="tls=none&connections=1", limits=PATIENT) as sending,
    ):
        international = message(1, recipient="ü@example.org".encode(), smtputf8=True, route=(names(without),))
        assert (await sending.outcome(international)).kind is OutcomeKind.REJECTED
        assert of_others.messages == []


@in_loop
async def test_no_more_connections_than_are_allowed() -> None:
    async with (
        ScriptedServer(serving(b"PIPELINING")) as server,
        Sending(server, query="tls=none&connections=4", limits=PATIENT, ready=50) as sending,
    ):
        [name] = names(server)
        sending.pool.set_limits(name, has_rate=False, has_connections=True)
        assert sending.pool.free_slots() == 0
        sending.submit(*(message(i) for i in range(6)))
        await asyncio.sleep(0)
        assert sending.pool.connections_in_use(name) == 0
        sending.pool.allow_connections(name, 2)
        await sending.all_concluded()
        assert server.connections == 2
        sending.pool.allow_connections(name, 1)
        await until(lambda: sending.pool.connections_in_use(name) == 1)
        sending.pool.set_limits(name, has_rate=False, has_connections=False)
        assert sending.pool.free_slots() == 50 + 2 * 4
