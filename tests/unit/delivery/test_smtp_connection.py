"""Transactions with servers that behave: pipelining, lock-step, refusals that are one message's alone."""

import asyncio

import pytest

from sendmill.delivery.transmission import OutcomeKind
from tests.unit.delivery.smtp_peer import (
    BOTH,
    OK,
    PATIENT,
    QUICK,
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
async def test_the_steady_state_is_one_write_and_one_round_trip_for_each_message() -> None:
    reads: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.greet(b"PIPELINING")
        reads.append(await peer.reader.read(65536))
        await peer.send(OK + OK + b"354 go\r\n")
        for _ in range(4):
            reads.append(await peer.reader.read(65536))
            await peer.send(OK + OK + OK + b"354 go\r\n")
        reads.append(await peer.reader.read(65536))
        await peer.send(OK)
        assert await peer.line() == b"QUIT"
        await peer.send(b"221 bye\r\n")

    async with ScriptedServer(script) as server, Sending(server, limits=PATIENT, ready=3) as sending:
        await sending.outcome(*(message(i) for i in range(5)))
        assert sending.kinds() == [(i, "ACCEPTED") for i in range(5)]
        assert sending.asked == list(range(5))
    envelopes = [
        b"MAIL FROM:<news@example.com>\r\nRCPT TO:<user%d@example.org>\r\nDATA\r\n" % number for number in range(5)
    ]
    contents = [b"Subject: %d\r\n\r\nHello\r\n.\r\n" % number for number in range(5)]
    assert reads == [
        envelopes[0],
        *(contents[number] + envelopes[number + 1] for number in range(4)),
        contents[4],
    ]


@BOTH
@in_loop
async def test_many_messages_on_one_connection(extensions: tuple[bytes, ...]) -> None:
    async with (
        ScriptedServer(serving(*extensions)) as server,
        Sending(server, limits=PATIENT, ready=50) as sending,
    ):
        await sending.outcome(*(message(i) for i in range(50)))
        assert sending.kinds() == [(i, "ACCEPTED") for i in range(50)]
        assert server.connections == 1
        assert [sender for sender, _, _ in server.messages] == [b"MAIL FROM:<news@example.com>"] * 50
        assert [recipient for _, recipient, _ in server.messages] == [
            b"RCPT TO:<user%d@example.org>" % i for i in range(50)
        ]
        assert [content for _, _, content in server.messages] == [message(i).content for i in range(50)]
    assert server.lines[-1] == b"QUIT"


@in_loop
async def test_without_pipelining_nothing_is_sent_before_the_reply() -> None:
    async def script(peer: Peer) -> None:
        async def send(data: bytes) -> None:
            # What comes too early comes with the command before it, in the same packet.
            assert not peer.reader._buffer  # type: ignore[attr-defined]  # no public way to look without waiting
            await peer.send(data)

        await peer.greet()
        await peer.serve(on_command=lambda line: b"550 no\r\n" if b"user2@" in line else None, send=send)

    async with ScriptedServer(script) as server, Sending(server, limits=PATIENT, ready=10) as sending:
        await sending.outcome(*(message(i) for i in range(6)))
        assert sending.kinds() == [(i, "REJECTED" if i == 2 else "ACCEPTED") for i in range(6)]


@in_loop
async def test_replies_byte_by_byte() -> None:
    async def script(peer: Peer) -> None:
        async def one_by_one(data: bytes) -> None:
            for octet in data:
                await peer.send(bytes([octet]))
                await asyncio.sleep(0)

        await peer.greet(b"PIPELINING")
        await peer.serve(
            on_content=lambda _: b"250-2.0.0 queued\r\n250 2.0.0 as 17\r\n" if peer.messages else None, send=one_by_one
        )

    async with ScriptedServer(script) as server, Sending(server, limits=PATIENT) as sending:
        outcome = await sending.outcome(message(1), message(2))
        assert (outcome.kind, outcome.code) == (OutcomeKind.ACCEPTED, 250)
        assert outcome.reply == "2.0.0 queued as 17"
        assert outcome.relay == f"127.0.0.1:{server.port}"


@BOTH
@pytest.mark.parametrize(("code", "kind"), [(b"450 4.2.0 later", "DEFERRED"), (b"550 5.1.1 never", "REJECTED")])
@pytest.mark.parametrize("verb", [b"MAIL", b"RCPT", b"DATA"])
@in_loop
async def test_a_refused_envelope_is_that_messages_alone(
    verb: bytes, code: bytes, kind: str, extensions: tuple[bytes, ...]
) -> None:
    """A server that keeps count: after a refusal MAIL is only taken after RSET, where a transaction was open."""

    async def script(peer: Peer) -> None:
        state = {"open": False, "recipient": False, "mails": 0}

        def on_command(line: bytes) -> bytes | None:
            if line == b"RSET":
                state["open"] = state["recipient"] = False
            elif line.startswith(b"MAIL"):
                if state["open"]:
                    return b"503 5.5.1 nested MAIL\r\n"
                state["mails"] += 1
                if verb == b"MAIL" and state["mails"] == 2:
                    return code + b"\r\n"
                state["open"] = True
            elif line.startswith(b"RCPT"):
                if not state["open"] or (verb == b"RCPT" and state["mails"] == 2):
                    return code + b"\r\n" if state["open"] else b"503 5.5.1 no MAIL\r\n"
                state["recipient"] = True
            elif line == b"DATA":
                if not state["recipient"]:
                    return b"503 5.5.1 no valid recipients\r\n"
                if verb == b"DATA" and state["mails"] == 2:
                    return code + b"\r\n"
            return None

        def on_content(content: bytes) -> None:
            state["open"] = state["recipient"] = False

        await peer.greet(*extensions)
        await peer.serve(on_command, on_content)

    async with ScriptedServer(script) as server, Sending(server, limits=PATIENT) as sending:
        await sending.outcome(message(1), message(2), message(3), message(4))
        assert sending.kinds() == [(1, "ACCEPTED"), (2, kind), (3, "ACCEPTED"), (4, "ACCEPTED")]
        refused = sending.of(2)
        assert (refused.code, refused.reply) == (int(code[:3]), code[4:].decode())
        assert 2 not in sending.asked
        assert server.connections == 1
        assert not sending.pool.health()[0].paused_seconds


@in_loop
async def test_the_first_refusal_counts() -> None:
    on_command = replies(mail=b"451 4.3.0 mail\r\n", rcpt=b"503 5.5.1 rcpt\r\n", data=b"503 5.5.1 data\r\n")
    async with (
        ScriptedServer(serving(b"PIPELINING", on_command=on_command)) as server,
        Sending(server, limits=PATIENT) as sending,
    ):
        outcome = await sending.outcome(message(1))
        assert (outcome.kind, outcome.code, outcome.reply) == (OutcomeKind.DEFERRED, 451, "4.3.0 mail")


@pytest.mark.parametrize("to_the_dot", [b"554 5.5.1 no valid recipients\r\n", OK])
@in_loop
async def test_354_without_a_recipient_gets_a_lone_dot(to_the_dot: bytes) -> None:
    """RFC 2920 3.1: the content must not be sent; a single dot ends it, however that is answered."""
    contents: list[bytes] = []

    async def script(peer: Peer) -> None:
        def on_content(content: bytes) -> bytes | None:
            contents.append(content)
            return to_the_dot if content == b"" else None

        await peer.greet(b"PIPELINING")
        await peer.serve(lambda line: b"450 4.2.1 busy\r\n" if b"user2@" in line else None, on_content)

    async with ScriptedServer(script) as server, Sending(server, limits=PATIENT) as sending:
        await sending.outcome(*(message(i) for i in (1, 2, 3, 5, 6, 7)))
        assert sending.kinds() == [(i, "DEFERRED" if i == 2 else "ACCEPTED") for i in (1, 2, 3, 5, 6, 7)]
        assert contents == [message(i).content if i != 2 else b"" for i in (1, 2, 3, 5, 6, 7)]
        assert sending.asked == [1, 3, 5, 6, 7]
        assert b"RSET" not in server.lines
        await sending.outcome(message(8, recipient=b"user2@x"), message(9))
        assert sending.of(8).kind is OutcomeKind.DEFERRED
        assert sending.of(9).kind is OutcomeKind.ACCEPTED
        assert server.connections == 1


@BOTH
@pytest.mark.parametrize(
    ("reply", "kind"), [(b"452 4.3.1 full\r\n", "DEFERRED"), (b"554 5.7.1 spam\r\n", "REJECTED"), (OK, "ACCEPTED")]
)
@in_loop
async def test_replies_to_the_message(reply: bytes, kind: str, extensions: tuple[bytes, ...]) -> None:
    def on_content(content: bytes) -> bytes | None:
        return reply if b"Subject: 2" in content else None

    async with (
        ScriptedServer(serving(*extensions, on_content=on_content)) as server,
        Sending(server, limits=PATIENT) as sending,
    ):
        await sending.outcome(message(1), message(2), message(3))
        assert sending.kinds() == [(1, "ACCEPTED"), (2, kind), (3, "ACCEPTED")]
        assert sending.of(2).code == int(reply[:3])
        assert server.connections == 1


@in_loop
async def test_a_connection_ends_politely_after_its_messages() -> None:
    async with (
        ScriptedServer(serving(b"PIPELINING")) as server,
        Sending(server, limits=PATIENT, messages_per_connection=3, ready=10, random=lambda: 0.0) as sending,
    ):
        await sending.outcome(*(message(i) for i in range(7)))
        assert sending.kinds() == [(i, "ACCEPTED") for i in range(7)]
        assert server.connections == 3
        assert server.lines.count(b"QUIT") == 2
        assert sending.pool.health()[0].last_error is None


@in_loop
async def test_an_idle_connection_ends_politely() -> None:
    async with ScriptedServer(serving(b"PIPELINING")) as server, Sending(server, limits=QUICK) as sending:
        await sending.outcome(message(1))
        await until(lambda: server.lines[-1] == b"QUIT")
        await until(lambda: sending.pool.health()[0].open_connections == 0)
        assert (await sending.outcome(message(2))).kind is OutcomeKind.ACCEPTED
        assert server.connections == 2
        assert sending.pool.health()[0].last_error is None
