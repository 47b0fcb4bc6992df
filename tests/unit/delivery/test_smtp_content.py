"""What goes out as content: whole, once, only when allowed, and to servers that hardly read."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sendmill.delivery.relay_pool import RelayPool
from sendmill.delivery.relays import parse_relays
from sendmill.delivery.transmission import Outcome, OutcomeKind
from tests.unit.delivery.smtp_peer import (
    BOTH,
    OK,
    PATIENT,
    Peer,
    ScriptedServer,
    Sending,
    in_loop,
    message,
    serving,
    stuffed,
    until,
)

LARGE = b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 76 + b"\r\n") * 60_000
"""4.6 MB, more than loopback's buffers take."""


@in_loop
async def test_a_connection_cut_while_the_content_is_on_its_way() -> None:
    """The last byte surely had not left: nothing is in doubt, but it counts as an attempt. The relay is not paused."""

    async def script(peer: Peer) -> None:
        def on_command(line: bytes) -> bytes | None:
            if line == b"DATA" and b"user1@" in peer.server.lines[-2]:
                asyncio.get_running_loop().call_later(0.05, peer.drop)
            return None

        await peer.greet()
        await peer.serve(on_command)

    async with ScriptedServer(slow(script), receive_buffer=4096) as server, Sending(server, limits=PATIENT) as sending:
        outcome = await sending.outcome(message(1, content=LARGE))
        assert outcome.kind is OutcomeKind.DEFERRED
        assert outcome.reply.startswith("connection lost while sending the message")
        assert outcome.code is None
        assert sending.asked == []
        assert sending.pool.free_slots() > 0
        assert (await sending.outcome(message(2))).kind is OutcomeKind.ACCEPTED


def slow(script: Any) -> Any:
    """The script, with a server that reads only as much as the script asks for."""

    async def wrapped(peer: Peer) -> None:
        transport = peer.writer.transport
        original = peer.content

        async def content() -> bytes:
            if b"user1@" in peer.server.lines[-2]:
                transport.pause_reading()  # type: ignore[attr-defined]
                await asyncio.sleep(60)
            return await original()

        peer.content = content  # type: ignore[method-assign]
        await script(peer)

    return wrapped


@in_loop
async def test_a_server_that_does_not_read_runs_into_the_time_limit() -> None:
    async with (
        ScriptedServer(slow(serving()), receive_buffer=4096) as server,
        Sending(server, limits=replace(PATIENT, data_block=0.4)) as sending,
    ):
        outcome = await sending.outcome(message(1, content=LARGE))
        assert outcome.kind is OutcomeKind.DEFERRED
        assert "the relay did not read for 0.4 s" in outcome.reply
        assert sending.asked == []


@BOTH
@in_loop
async def test_large_content_arrives_whole_through_a_slow_reader(extensions: tuple[bytes, ...]) -> None:
    async with (
        ScriptedServer(serving(*extensions), receive_buffer=4096) as server,
        Sending(server, limits=PATIENT) as sending,
    ):
        await sending.outcome(message(1, content=LARGE), message(2), message(3, content=LARGE))
        assert sending.kinds() == [(1, "ACCEPTED"), (2, "ACCEPTED"), (3, "ACCEPTED")]
        assert [content for _, _, content in server.messages] == [LARGE, message(2).content, LARGE]
        assert sending.asked == [1, 2, 3]


@in_loop
async def test_a_server_that_takes_one_byte_at_a_time() -> None:
    received = bytearray()

    async def script(peer: Peer) -> None:
        await peer.greet()
        for _ in range(3):
            await peer.line()
            await peer.send(b"354 go\r\n" if peer.server.lines[-1] == b"DATA" else OK)
        while not received.endswith(b"\r\n.\r\n"):
            received.extend(await peer.reader.readexactly(1))
            await asyncio.sleep(0)
        await peer.send(OK)
        await peer.line()

    content = b"Subject: slow\r\n\r\n" + b"z" * 40 + b"\r\n"
    async with ScriptedServer(script, receive_buffer=1024) as server, Sending(server, limits=PATIENT) as sending:
        assert (await sending.outcome(message(1, content=content))).kind is OutcomeKind.ACCEPTED
        assert bytes(received) == content + b".\r\n"


@pytest.mark.parametrize(("early", "kind"), [(b"552 5.3.4 too big\r\n", "REJECTED"), (OK, "DEFERRED")])
@in_loop
async def test_a_reply_before_the_content_has_left(early: bytes, kind: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        for _ in range(3):
            await peer.line()
            await peer.send(b"354 go\r\n" if peer.server.lines[-1] == b"DATA" else OK)
        await peer.reader.readexactly(1000)
        await peer.send(early)
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(60)

    async with ScriptedServer(script, receive_buffer=4096) as server, Sending(server, limits=PATIENT) as sending:
        outcome = await sending.outcome(message(1, content=LARGE))
        assert outcome.kind.name == kind
        assert sending.asked == []


@pytest.mark.parametrize("content", [message(1).content, LARGE], ids=["small", "large"])
@in_loop
async def test_what_may_not_be_sent_is_not(content: bytes) -> None:
    ends: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.greet(b"PIPELINING")
        for _ in range(3):
            await peer.line()
        await peer.send(OK + OK + b"354 go\r\n")
        ends.append((await peer.reader.read())[-5:])

    async with ScriptedServer(script) as server, Sending(server, limits=PATIENT) as sending:
        sending.allowed = False
        outcome = await sending.outcome(message(1, content=content))
        assert outcome.kind is OutcomeKind.NOT_SENT
        assert sending.asked == [1]
        await until(lambda: ends)
        assert ends[0] != b"\r\n.\r\n"
        assert content.startswith(b"Subject: 1") is (ends[0] == b"")
        assert sending.pool.free_slots() > 0
        assert sending.pool.health()[0].last_error is None


@in_loop
async def test_an_error_while_asking_sends_nothing_and_is_told() -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with ScriptedServer(serving(b"PIPELINING")) as server, Sending(server, limits=PATIENT) as sending:
        sending.error = OSError("disk full")
        outcome = await sending.outcome(message(1))
        assert outcome.kind is OutcomeKind.NOT_SENT
        assert [context["exception"] for context in told] == [sending.error]
        assert server.messages == []


@in_loop
async def test_an_error_while_telling_one_outcome_keeps_no_other() -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    outcomes: list[Outcome] = []

    def on_outcome(outcome: Outcome) -> None:
        outcomes.append(outcome)
        raise ValueError(outcome.delivery_id)

    async with ScriptedServer(serving(b"PIPELINING", on_content=lambda _: b"garbage\r\n")) as server:
        pool = RelayPool(parse_relays(f"smtp://127.0.0.1:{server.port}?connections=1"), lambda _: True, on_outcome)
        pool.submit(message(1))
        pool.submit(message(2))
        await until(lambda: len(outcomes) == 2)
        assert [str(context["exception"]) for context in told] == ["1", "2"]
        await pool.close(1.0)


contents = st.lists(
    st.sampled_from([b"\r\n", b".", b"\r\n.\r\n", b"\r\n.\r\nMAIL FROM:<x@y>\r\n", b"QUIT"]) | st.binary(max_size=20),
    max_size=20,
).map(lambda pieces: b"".join(pieces).replace(b"\r", b"").replace(b"\n", b"\r\n") + b"\r\n")


@settings(max_examples=25)
@given(st.lists(contents, min_size=1, max_size=4))
def test_any_content_arrives_byte_exact(several: list[bytes]) -> None:
    @in_loop
    async def run() -> None:
        async with ScriptedServer(serving(b"PIPELINING")) as server, Sending(server, limits=PATIENT) as sending:
            await sending.outcome(*(message(i, content=content) for i, content in enumerate(several)))
            assert [content for _, _, content in server.messages] == [stuffed(content) for content in several]
            assert all(line[:4] in (b"EHLO", b"MAIL", b"RCPT", b"DATA", b"QUIT") for line in server.lines)

    run()


@in_loop
async def test_addresses_that_would_inject_are_refused_without_a_connection() -> None:
    async with ScriptedServer(serving(b"PIPELINING")) as server, Sending(server, limits=PATIENT) as sending:
        await sending.outcome(
            message(1, recipient=b"a@b>\r\nRCPT TO:<c@d"),
            message(2, envelope_sender=b"a@b> SIZE=1"),
            message(3, recipient=b"a\x00@b"),
            message(4, recipient=b""),
        )
        assert {(outcome.kind.name, outcome.code) for outcome in sending.outcomes} == {("REJECTED", 553)}
        assert sending.of(1).reply.startswith("5.1.3 ")
        assert sending.of(2).reply.startswith("5.1.7 ")
        assert server.connections == 0


@in_loop
async def test_smtputf8_and_size_are_refused_here_when_the_relay_cannot() -> None:
    async with (
        ScriptedServer(serving(b"PIPELINING", b"SIZE 100")) as server,
        Sending(server, limits=PATIENT) as sending,
    ):
        await sending.outcome(
            message(1, recipient="grün@example.org".encode(), smtputf8=True),
            message(2, content=b"x" * 99 + b"\r\n"),
            message(3),
        )
        assert (sending.of(1).kind, sending.of(1).code) == (OutcomeKind.REJECTED, 550)
        assert sending.of(1).reply.startswith("5.6.7 ")
        assert "SMTPUTF8" in sending.of(1).reply
        assert (sending.of(2).kind, sending.of(2).code) == (OutcomeKind.REJECTED, 552)
        assert sending.of(3).kind is OutcomeKind.ACCEPTED
        assert [line for line in server.lines if line.startswith(b"MAIL")] == [b"MAIL FROM:<news@example.com> SIZE=21"]
