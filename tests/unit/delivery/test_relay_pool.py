"""The pool: when connections are opened, when relays are left alone, and that every transmission gets its outcome."""

import asyncio
from typing import Any

import pytest
import structlog

from sendmill.delivery.transmission import OutcomeKind
from tests.unit.delivery.smtp_peer import (
    PATIENT,
    SHORT_PAUSES,
    Peer,
    ScriptedServer,
    Sending,
    free_port,
    in_loop,
    message,
    serving,
    until,
    waiting_for,
)

# Slots and connections ------------------------------------------------------------------------------------------------


@in_loop
async def test_slots() -> None:
    gate = asyncio.Event()
    async with (
        ScriptedServer(waiting_for(gate)) as server,
        Sending(server, query="tls=none&connections=3", limits=PATIENT, ready=2) as sending,
    ):
        assert sending.pool.free_slots() == 2 * 3 + 2
        sending.submit(*(message(i) for i in range(8)))
        assert sending.pool.free_slots() == 0
        waiter = asyncio.ensure_future(sending.pool.wait_for_slot())
        await until(lambda: server.open == 3)
        assert not waiter.done()
        gate.set()
        await waiter
        assert sending.pool.free_slots() > 0
        await sending.all_concluded()
        assert sending.pool.free_slots() == 8


@in_loop
async def test_one_mail_opens_one_connection_and_a_few_not_many() -> None:
    gate = asyncio.Event()
    async with (
        ScriptedServer(waiting_for(gate)) as server,
        Sending(server, query="tls=none&connections=20", limits=PATIENT) as sending,
    ):
        gate.set()
        for number in range(5):
            await sending.outcome(message(number))
        assert server.connections == 1
        gate.clear()
        sending.submit(*(message(i) for i in range(10, 14)))
        await until(lambda: len(sending.asked) >= 7)
        gate.set()
        await sending.all_concluded()
        assert server.connections <= 3


@in_loop
async def test_a_backlog_opens_all_connections_by_doubling() -> None:
    gate = asyncio.Event()
    async with (
        ScriptedServer(waiting_for(gate)) as server,
        Sending(server, query="tls=none&connections=10", limits=PATIENT) as sending,
    ):
        sending.submit(*(message(i) for i in range(sending.pool.free_slots())))
        await until(lambda: sending.pool.health()[0].open_connections == 10)
        assert server.connections == 10
        gate.set()
        await sending.all_concluded()
        assert {outcome.kind for outcome in sending.outcomes} == {OutcomeKind.ACCEPTED}


@in_loop
async def test_thousands_over_many_connections_each_exactly_once() -> None:
    async with (
        ScriptedServer(serving(b"PIPELINING")) as server,
        Sending(server, query="tls=none&connections=8", limits=PATIENT, messages_per_connection=40) as sending,
    ):
        for number in range(2000):
            await sending.pool.wait_for_slot()
            sending.submit(message(number))
        await sending.all_concluded()
        assert sending.kinds() == [(i, "ACCEPTED") for i in range(2000)]
        assert sorted(recipient for _, recipient, _ in server.messages) == sorted(
            b"RCPT TO:<user%d@example.org>" % i for i in range(2000)
        )
        for _, recipient, content in server.messages:
            number = int(recipient.removeprefix(b"RCPT TO:<user").partition(b"@")[0])
            assert content == message(number).content


@in_loop
async def test_a_limit_on_connections_is_not_an_outage() -> None:
    """The third connection is refused while two work: no pause, and a further one is tried later."""

    async def script(peer: Peer) -> None:
        if server.open > 2:
            await peer.send(b"421 4.7.0 too many connections\r\n")
            return
        await serving(b"PIPELINING")(peer)

    async with (
        ScriptedServer(script) as server,
        Sending(server, query="tls=none&connections=10", limits=SHORT_PAUSES) as sending,
    ):
        for number in range(300):
            await sending.pool.wait_for_slot()
            sending.submit(message(number))
        await sending.all_concluded()
        assert {outcome.kind for outcome in sending.outcomes} == {OutcomeKind.ACCEPTED}
        health = sending.pool.health()[0]
        assert health.failures_in_a_row == 0
        assert "too many connections" in (health.last_error or "")
        assert server.connections < 20


# Relays that are down -------------------------------------------------------------------------------------------------


@in_loop
async def test_a_relay_that_is_down_is_tried_ever_less_often_and_used_again() -> None:
    port = free_port()
    with structlog.testing.capture_logs() as logs:
        async with Sending(port, query="tls=none&connections=20", limits=SHORT_PAUSES) as sending:
            sending.submit(*(message(i) for i in range(30)))
            await sending.all_concluded()
            assert {outcome.kind for outcome in sending.outcomes} == {OutcomeKind.NOT_SENT}
            for failures in (2, 3, 4):
                await sending.pool.wait_for_slot()
                assert sending.pool.free_slots() == 2, "a relay that has to prove itself gets little"
                await sending.outcome(message(100 + failures))
                assert sending.pool.health()[0].failures_in_a_row == failures
            async with ScriptedServer(serving(b"PIPELINING"), port=port) as server:
                await sending.pool.wait_for_slot()
                assert (await sending.outcome(message(200))).kind is OutcomeKind.ACCEPTED
                health = sending.pool.health()[0]
                assert (health.failures_in_a_row, health.paused_seconds) == (0, 0)
                assert health.last_error == "connect: Connection refused"
                assert sending.pool.free_slots() == 60
                assert server.connections == 1
    pauses = [entry["seconds"] / longest for entry, longest in zip(logs, (0.04, 0.08, 0.16, 0.3), strict=False)]
    assert all(0.79 <= pause <= 1.01 for pause in pauses)
    events = [(entry["event"], entry["log_level"]) for entry in logs]
    assert events == [("relay.paused", "warning")] * 4 + [("relay.works_again", "info")]


@in_loop
async def test_other_relays_go_on() -> None:
    down = free_port()
    async with (
        ScriptedServer(serving(b"PIPELINING")) as server,
        Sending(down, server, query="tls=none&connections=2", limits=PATIENT) as sending,
    ):
        for number in range(50):
            await sending.pool.wait_for_slot()
            sending.submit(message(number))
        await sending.all_concluded()
        by_relay = {(outcome.relay, outcome.kind.name) for outcome in sending.outcomes}
        assert by_relay == {(f"127.0.0.1:{down}", "NOT_SENT"), (f"127.0.0.1:{server.port}", "ACCEPTED")}
        assert len(server.messages) > 30


@in_loop
async def test_work_is_shared_between_relays() -> None:
    gate = asyncio.Event()
    async with (
        ScriptedServer(waiting_for(gate)) as first,
        ScriptedServer(waiting_for(gate)) as second,
        Sending(first, second, query="tls=none&connections=2", limits=PATIENT) as sending,
    ):
        sending.submit(*(message(i) for i in range(sending.pool.free_slots())))
        gate.set()
        await sending.all_concluded()
        assert len(first.messages) == len(second.messages) == 6


@in_loop
async def test_a_server_that_goes_away_with_all_its_connections_is_one_failure() -> None:
    gate = asyncio.Event()
    async with Sending(port := free_port(), query="tls=none&connections=10", limits=PATIENT) as sending:
        async with ScriptedServer(waiting_for(gate), port=port):
            sending.submit(*(message(i) for i in range(30)))
            await until(lambda: sending.pool.health()[0].open_connections == 10)
            await until(lambda: len(sending.asked) == 10)
        await sending.all_concluded()
        kinds = [outcome.kind for outcome in sending.outcomes]
        assert kinds.count(OutcomeKind.IN_DOUBT) == 10
        assert kinds.count(OutcomeKind.NOT_SENT) == 20
        assert sending.pool.health()[0].failures_in_a_row == 1


@in_loop
async def test_a_server_that_drops_every_connection_is_paused() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet(b"PIPELINING")
        await peer.line()

    async with (
        ScriptedServer(script) as server,
        Sending(server, query="tls=none&connections=1", limits=PATIENT) as sending,
    ):
        for number in range(3):
            assert sending.pool.free_slots() > 0
            await sending.outcome(message(number))
        assert sending.pool.free_slots() == 0
        assert server.connections == 3
        assert sending.pool.health()[0].failures_in_a_row == 1
        assert 40 < sending.pool.health()[0].paused_seconds <= 60


@in_loop
async def test_421_pauses_the_relay_and_lets_other_transactions_finish() -> None:
    gate = asyncio.Event()

    async def script(peer: Peer) -> None:
        if server.connections == 1:
            await waiting_for(gate)(peer)
        else:
            await serving(b"PIPELINING", on_command=lambda line: b"421 4.3.2 down\r\n")(peer)

    async with (
        ScriptedServer(script) as server,
        Sending(server, query="tls=none&connections=2", limits=SHORT_PAUSES) as sending,
    ):
        sending.submit(*(message(i) for i in range(5)))
        await until(lambda: sending.pool.health()[0].failures_in_a_row)
        await until(lambda: len(sending.outcomes) == 3)
        assert {outcome.kind for outcome in sending.outcomes} == {OutcomeKind.NOT_SENT}
        gate.set()
        await sending.all_concluded()
        assert sorted(outcome.kind.name for outcome in sending.outcomes) == ["ACCEPTED"] * 2 + ["NOT_SENT"] * 3
        # The connection that was not closed is used again.
        await sending.pool.wait_for_slot()
        assert (await sending.outcome(message(9))).kind is OutcomeKind.ACCEPTED
        assert server.connections == 2


@in_loop
async def test_submitting_to_a_paused_relay_comes_back_at_once() -> None:
    async with Sending(free_port(), limits=PATIENT) as sending:
        await sending.outcome(message(1))
        sending.submit(message(2))
        assert sending.of(2).kind is OutcomeKind.NOT_SENT
        assert sending.of(2).reply == "connect: Connection refused"


# SMTPUTF8 over several relays -----------------------------------------------------------------------------------------


@in_loop
async def test_smtputf8_goes_where_it_is_offered() -> None:
    async with (
        ScriptedServer(serving(b"PIPELINING")) as without,
        ScriptedServer(serving(b"PIPELINING", b"SMTPUTF8")) as offering,
        Sending(without, offering, query="tls=none&connections=1", limits=PATIENT) as sending,
    ):
        await sending.outcome(*(message(i, recipient="ü@example.org".encode(), smtputf8=True) for i in range(6)))
        assert {outcome.kind for outcome in sending.outcomes} == {OutcomeKind.ACCEPTED}
        assert len(offering.messages) == 6
        assert not any(line.startswith(b"MAIL") for line in without.lines)


# Withdrawing, rates, closing ------------------------------------------------------------------------------------------


@in_loop
async def test_withdrawing_takes_back_what_is_not_on_the_wire() -> None:
    gate = asyncio.Event()
    async with (
        ScriptedServer(waiting_for(gate)) as server,
        Sending(server, query="tls=none&connections=1", limits=PATIENT, ready=10) as sending,
    ):
        sending.submit(*(message(i) for i in range(8)))
        await until(lambda: sending.asked == [0])
        sending.pool.withdraw(lambda transmission: transmission.delivery_id % 2 == 0)
        assert sending.kinds() == [(2, "NOT_SENT"), (4, "NOT_SENT"), (6, "NOT_SENT")]
        gate.set()
        await sending.all_concluded()
        assert [i for i, kind in sending.kinds() if kind == "ACCEPTED"] == [0, 1, 3, 5, 7]
        assert len(server.messages) == 5


@in_loop
async def test_a_relay_with_a_rate_sends_what_is_granted() -> None:
    async with (
        ScriptedServer(serving(b"PIPELINING")) as server,
        Sending(server, query="tls=none&connections=2&rate=5", limits=PATIENT) as sending,
    ):
        name = f"127.0.0.1:{server.port}"
        assert sending.pool.free_slots() == 0
        assert sending.pool.health()[0].permits == 0
        sending.pool.grant(name, 3)
        assert sending.pool.free_slots() == 3
        await sending.outcome(message(1), message(2))
        assert sending.pool.free_slots() == 1
        # What is not sent gives its permit back.
        sending.allowed = False
        assert (await sending.outcome(message(3))).kind is OutcomeKind.NOT_SENT
        assert sending.pool.free_slots() == sending.pool.health()[0].permits == 1


@in_loop
async def test_closing_finishes_what_is_on_the_wire() -> None:
    gate = asyncio.Event()
    async with (
        ScriptedServer(waiting_for(gate)) as server,
        Sending(server, query="tls=none&connections=1", limits=PATIENT, ready=10) as sending,
    ):
        sending.submit(*(message(i) for i in range(5)))
        await until(lambda: sending.asked == [0])
        await until(lambda: server.lines and server.lines[-1] == b"DATA")
        closing = asyncio.ensure_future(sending.pool.close(5.0))
        await until(lambda: len(sending.outcomes) == 3)
        assert sending.kinds() == [(2, "NOT_SENT"), (3, "NOT_SENT"), (4, "NOT_SENT")]
        assert sending.pool.free_slots() == 0
        sending.submit(message(9))
        assert sending.of(9).kind is OutcomeKind.NOT_SENT
        gate.set()
        await closing
        assert (sending.of(0).kind, sending.of(1).kind) == (OutcomeKind.ACCEPTED, OutcomeKind.ACCEPTED)
        assert server.lines[-1] == b"QUIT"
        assert [health.open_connections for health in sending.pool.health()] == [0]


@in_loop
async def test_closing_does_not_wait_for_ever() -> None:
    gate = asyncio.Event()
    async with ScriptedServer(waiting_for(gate)) as server, Sending(server, limits=PATIENT) as sending:
        sending.submit(message(1), message(2), message(3))
        await until(lambda: sending.asked == [1])
        await sending.pool.close(0.1)
        assert sending.kinds() == [(1, "IN_DOUBT"), (2, "NOT_SENT"), (3, "NOT_SENT")]


@pytest.mark.parametrize("stage", ["greeting", "EHLO"])
@in_loop
async def test_closing_while_a_connection_is_being_opened(stage: str) -> None:
    async def script(peer: Peer) -> None:
        if stage == "EHLO":
            await peer.send(b"220 x\r\n")
        await peer.reader.read()

    async with ScriptedServer(script) as server, Sending(server, limits=PATIENT) as sending:
        sending.submit(message(1))
        await until(lambda: server.connections)
        await sending.pool.close(5.0)
        assert sending.kinds() == [(1, "NOT_SENT")]
        await until(lambda: server.open == 0)


@in_loop
async def test_closing_says_quit_on_idle_connections() -> None:
    async with ScriptedServer(serving(b"PIPELINING")) as server, Sending(server, limits=PATIENT) as sending:
        await sending.outcome(message(1))
        await sending.pool.close(5.0)
        assert server.lines[-1] == b"QUIT"


@in_loop
async def test_an_outcome_may_submit_the_next() -> None:
    async with ScriptedServer(serving(b"PIPELINING")) as server, Sending(server, limits=PATIENT) as sending:

        def on_outcome(outcome: Any) -> None:
            sending.outcomes.append(outcome)
            if outcome.delivery_id < 20:
                sending.submit(message(outcome.delivery_id + 1))

        sending.pool._on_outcome = on_outcome
        sending.submit(message(1))
        await until(lambda: len(sending.outcomes) == 20)
        assert {outcome.kind for outcome in sending.outcomes} == {OutcomeKind.ACCEPTED}
        assert server.connections == 1
