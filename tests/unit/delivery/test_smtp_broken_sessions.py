"""Servers that close, fall silent or talk nonsense: what that means for the messages in hand."""

import pytest

from sendmill.delivery.transmission import OutcomeKind
from tests.unit.delivery.smtp_peer import (
    BOTH,
    OK,
    PATIENT,
    QUICK,
    SHORT_PAUSES,
    Peer,
    ScriptedServer,
    Sending,
    in_loop,
    message,
    replies,
    serving,
    until,
)


@in_loop
async def test_421_to_the_message_defers_it_and_the_one_behind_was_not_sent() -> None:
    async with (
        ScriptedServer(serving(b"PIPELINING", on_content=lambda _: b"421 4.3.2 closing\r\n")) as server,
        Sending(server, limits=PATIENT) as sending,
    ):
        await sending.outcome(message(1), message(2))
        assert sending.kinds() == [(1, "DEFERRED"), (2, "NOT_SENT")]
        assert sending.of(1).code == 421
        assert sending.pool.health()[0].last_error == "session closed: 421 4.3.2 closing"
        assert sending.pool.health()[0].failures_in_a_row == 1


@pytest.mark.parametrize("verb", ["mail", "rcpt", "data"])
@BOTH
@in_loop
async def test_421_at_the_envelope_is_the_relays(verb: str, extensions: tuple[bytes, ...]) -> None:
    script = serving(*extensions, on_command=replies(**{verb: b"421 4.3.2 too busy\r\n"}))
    async with ScriptedServer(script) as server, Sending(server, limits=PATIENT) as sending:
        await sending.outcome(message(1), message(2), message(3))
        assert sending.kinds() == [(1, "NOT_SENT"), (2, "NOT_SENT"), (3, "NOT_SENT")]
        assert sending.pool.free_slots() == 0
        assert sending.asked == []


@pytest.mark.parametrize("verb", ["mail", "rcpt", "data"])
@in_loop
async def test_530_is_the_relays_too(verb: str) -> None:
    """A missing login must not fail every recipient of a campaign."""
    script = serving(b"PIPELINING", on_command=replies(**{verb: b"530 5.7.0 Authentication required\r\n"}))
    async with ScriptedServer(script) as server, Sending(server, limits=PATIENT) as sending:
        await sending.outcome(message(1), message(2))
        assert sending.kinds() == [(1, "NOT_SENT"), (2, "NOT_SENT")]
        assert "530 5.7.0 Authentication required" in (sending.pool.health()[0].last_error or "")


@in_loop
async def test_an_idle_connection_closed_with_421_is_no_trouble() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet(b"PIPELINING")
        if peer.server.connections == 1:
            for _ in range(3):
                await peer.line()
            await peer.send(OK + OK + b"354 go\r\n")
            await peer.content()
            await peer.send(OK + b"421 4.4.2 timeout\r\n")
            return
        await peer.serve()

    async with ScriptedServer(script) as server, Sending(server, limits=PATIENT) as sending:
        await sending.outcome(message(1))
        await until(lambda: sending.pool.health()[0].open_connections == 0)
        await sending.outcome(message(2))
        assert sending.kinds() == [(1, "ACCEPTED"), (2, "ACCEPTED")]
        assert sending.pool.health()[0].last_error is None


@in_loop
async def test_idle_connections_that_the_server_closes_are_no_trouble() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet(b"PIPELINING")
        for _ in range(3):
            await peer.line()
        await peer.send(OK + OK + b"354 go\r\n")
        await peer.content()
        await peer.send(OK)

    async with ScriptedServer(script) as server, Sending(server, limits=PATIENT) as sending:
        for number in range(5):
            assert (await sending.outcome(message(number))).kind is OutcomeKind.ACCEPTED
            await until(lambda: sending.pool.health()[0].open_connections == 0)
        assert server.connections == 5
        assert sending.pool.health()[0].last_error is None


@pytest.mark.parametrize(
    "answer",
    [b"garbage\r\n", b"354 go\r\n", b"250 " + b"x" * 20_000, b"250-x\r\n" * 4000, None],
    ids=["garbage", "354 again", "endless line", "endless reply", "cut"],
)
@in_loop
async def test_no_sensible_reply_to_the_message_leaves_it_in_doubt(answer: bytes | None) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet(b"PIPELINING")
        for _ in range(3):
            await peer.line()
        await peer.send(OK + OK + b"354 go\r\n")
        await peer.content()
        if answer is None:
            peer.drop()
        else:
            await peer.send(answer)
            await peer.reader.read()

    async with ScriptedServer(script) as server, Sending(server, limits=PATIENT) as sending:
        await sending.outcome(message(1), message(2))
        assert sending.of(1).kind is OutcomeKind.IN_DOUBT
        assert sending.of(1).code is None
        assert sending.of(1).reply
        assert sending.of(2).kind is OutcomeKind.NOT_SENT


@in_loop
async def test_silence_after_the_dot() -> None:
    async with (
        ScriptedServer(serving(b"PIPELINING", on_content=lambda _: b"")) as server,
        Sending(server, limits=QUICK) as sending,
    ):
        await sending.outcome(message(1))
        assert sending.of(1).kind is OutcomeKind.IN_DOUBT
        assert sending.of(1).reply == "no reply to the message within 0.4 s"


@pytest.mark.parametrize(("verb", "stage"), [("mail", "MAIL"), ("rcpt", "RCPT"), ("data", "DATA")])
@in_loop
async def test_silence_at_the_envelope(verb: str, stage: str) -> None:
    async with (
        ScriptedServer(serving(on_command=replies(**{verb: b""}))) as server,
        Sending(server, limits=QUICK) as sending,
    ):
        outcome = await sending.outcome(message(1))
        assert outcome.kind is OutcomeKind.NOT_SENT
        assert outcome.reply == f"no reply to {stage} within 0.4 s"


@in_loop
async def test_a_reply_that_was_not_asked_for_ends_the_connection() -> None:
    """A second reply to one message must not become the reply to the next."""

    def on_content(content: bytes) -> bytes | None:
        return OK + b"550 5.0.0 surplus\r\n" if b"Subject: 1" in content else None

    async with (
        ScriptedServer(serving(b"PIPELINING", on_content=on_content)) as server,
        Sending(server, limits=PATIENT) as sending,
    ):
        await sending.outcome(message(1))
        await until(lambda: sending.pool.health()[0].open_connections == 0)
        await sending.outcome(message(2))
        assert sending.kinds() == [(1, "ACCEPTED"), (2, "ACCEPTED")]
        assert server.connections == 2


@in_loop
async def test_a_surplus_reply_under_pipelining_loses_the_order_and_so_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet(b"PIPELINING")
        await peer.serve(on_content=lambda content: OK + OK if b"Subject: 1" in content else None)

    async with ScriptedServer(script) as server, Sending(server, limits=PATIENT) as sending:
        await sending.outcome(message(1), message(2))
        assert sending.of(1).kind is OutcomeKind.ACCEPTED
        assert sending.of(2).kind is OutcomeKind.NOT_SENT
        assert sending.asked == [1]


@pytest.mark.parametrize("verb", ["mail", "rcpt", "data"])
@in_loop
async def test_a_message_that_makes_the_server_hang_up_waits_at_last(verb: str) -> None:
    """Twice it is the relay's fault and no attempt; the third time the message has to wait. Others are not held up."""

    async def script(peer: Peer) -> None:
        def on_command(line: bytes) -> bytes | None:
            if b"poison" in line:
                state["poisoned"] = True
            if state["poisoned"] and line[:4].lower() == verb.encode():
                peer.drop()
            return None

        state = {"poisoned": False}
        await peer.greet()
        await peer.serve(on_command)

    address = {"envelope_sender": b"poison@x"} if verb == "mail" else {"recipient": b"poison@x"}
    async with ScriptedServer(script) as server, Sending(server, limits=SHORT_PAUSES) as sending:
        kinds = []
        for round_number in range(3):
            await sending.pool.wait_for_slot()
            kinds.append((await sending.outcome(message(1, **address))).kind.name)
            await sending.pool.wait_for_slot()
            assert (await sending.outcome(message(10 + round_number))).kind is OutcomeKind.ACCEPTED
        assert kinds == ["NOT_SENT", "NOT_SENT", "DEFERRED"]


@in_loop
async def test_quit_without_an_answer() -> None:
    script = serving(b"PIPELINING", on_command=lambda line: b"" if line == b"QUIT" else None)

    async def stays_open(peer: Peer) -> None:
        await script(peer)
        await peer.reader.read()

    async with ScriptedServer(stays_open) as server, Sending(server, limits=QUICK) as sending:
        await sending.outcome(message(1))
        await until(lambda: server.lines[-1] == b"QUIT")
        await until(lambda: sending.pool.health()[0].open_connections == 0)
        assert sending.pool.health()[0].last_error is None


@in_loop
async def test_a_message_behind_anothers_content_is_never_to_blame() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet(b"PIPELINING")
        await peer.serve(on_content=lambda content: peer.drop())

    async with ScriptedServer(script) as server, Sending(server, limits=SHORT_PAUSES) as sending:
        for number in range(5):
            await sending.pool.wait_for_slot()
            await sending.outcome(message(number), message(99))
        kinds = [outcome.kind for outcome in sending.outcomes if outcome.delivery_id == 99]
        assert kinds == [OutcomeKind.NOT_SENT] * 5


@in_loop
async def test_a_reply_ends_the_count_of_lost_connections() -> None:
    """Lost, lost, answered, lost, lost: never three in a row, so it never was the message."""
    rounds = iter(["drop", "drop", "451 4.3.0 later", "drop", "drop", "250 2.0.0 Ok"])

    async def script(peer: Peer) -> None:
        def on_command(line: bytes) -> bytes | None:
            if not line.startswith(b"RCPT"):
                return None
            answer = next(rounds)
            if answer == "drop":
                peer.drop()
            return answer.encode() + b"\r\n"

        await peer.greet()
        await peer.serve(on_command)

    async with ScriptedServer(script) as server, Sending(server, limits=SHORT_PAUSES) as sending:
        kinds = []
        for _ in range(6):
            await sending.pool.wait_for_slot()
            kinds.append((await sending.outcome(message(1))).kind.name)
        assert kinds == ["NOT_SENT", "NOT_SENT", "DEFERRED", "NOT_SENT", "NOT_SENT", "ACCEPTED"]
