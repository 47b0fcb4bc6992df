"""The start of a session that fails: the relay is paused, nothing is sent, and the reason is told without secrets."""

import asyncio
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from sendmill.delivery.transmission import OutcomeKind
from tests.unit.delivery.smtp_peer import (
    PATIENT,
    QUICK,
    Peer,
    ScriptedServer,
    Sending,
    free_port,
    in_loop,
    message,
    serving,
)
from tests.unit.delivery.smtp_servers import URL_CREDENTIALS, Aiosmtpd, Certificate, url


async def trouble(relay_url: str, **options: Any) -> str:
    """Sends one message that must come back NOT_SENT with the relay paused; returns the relay's error."""
    options.setdefault("limits", QUICK)
    async with Sending(url=relay_url, **options) as sending:
        outcome = await sending.outcome(message(1))
        health = sending.pool.health()[0]
        assert outcome.kind is OutcomeKind.NOT_SENT
        assert outcome.code is None
        assert health.failures_in_a_row > 0, "and not paused_seconds: the short pause may be over by now"
        assert health.failures_in_a_row == 1
        assert sending.pool.free_slots() == 0
        assert sending.asked == []
        assert outcome.reply == health.last_error
        assert health.last_error is not None
        return health.last_error


@in_loop
async def test_a_wrong_login_is_told_without_the_password(
    trusted: Certificate, capsys: pytest.CaptureFixture[str]
) -> None:
    with Aiosmtpd(mechanisms=("PLAIN",), tls_context=trusted.server_context()) as server:
        with structlog.testing.capture_logs() as logs:
            error = await trouble(url(server, "tls=starttls", "sender%40example.com:wrong-secret"))
        assert error.startswith("login refused: 535")
        assert "wrong-secret" not in repr(logs) + error
        (entry,) = [entry for entry in logs if entry["event"] == "relay.paused"]
        assert entry["log_level"] == "error"
        assert entry["relay"] == f"127.0.0.1:{server.port}"


@in_loop
async def test_a_reply_that_repeats_the_password_is_withheld(trusted: Certificate) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet(b"STARTTLS")
        await peer.line()
        await peer.send(b"220 go\r\n")
        await peer.writer.start_tls(trusted.server_context())
        await peer.line()
        await peer.send_ehlo(b"AUTH PLAIN")
        line = await peer.line()
        await peer.send(b"535 5.7.8 no: %b\r\n" % line)
        await peer.reader.read()

    async with ScriptedServer(script) as server:
        assert await trouble(url(server, "tls=auto", "u:p4ssw0rd")) == "login refused: 535 (text withheld)"


@in_loop
async def test_an_untrusted_certificate(certificate: Certificate) -> None:
    with Aiosmtpd(tls_context=certificate.server_context()) as server:
        error = await trouble(url(server, "tls=auto"))
        assert error == (
            "the certificate for 127.0.0.1 is not valid: self-signed certificate (verify=no would take it)"
        )


@in_loop
async def test_an_untrusted_certificate_under_implicit_tls(certificate: Certificate) -> None:
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=certificate.server_context())
    port = listener.sockets[0].getsockname()[1]
    async with listener:
        assert "self-signed certificate" in await trouble(url(port, "tls=implicit"))


@in_loop
async def test_a_certificate_for_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Certificate(tmp_path, "mail.example.org")
    monkeypatch.setenv("SSL_CERT_FILE", str(other.path))
    with Aiosmtpd(tls_context=other.server_context()) as server:
        error = await trouble(url(server, "tls=starttls"))
        assert "IP address mismatch" in error


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@in_loop
async def test_verify_no_takes_any_certificate(tmp_path: Path, tls: str) -> None:
    context = Certificate(tmp_path, "mail.example.org").server_context()
    server = Aiosmtpd(implicit=context) if tls == "implicit" else Aiosmtpd(tls_context=context)
    with server:
        async with Sending(url=url(server, f"tls={tls}&verify=no"), limits=PATIENT) as sending:
            assert (await sending.outcome(message(1))).kind is OutcomeKind.ACCEPTED


@in_loop
async def test_starttls_wanted_but_not_offered() -> None:
    async with ScriptedServer(serving(b"PIPELINING")) as server:
        assert "does not offer STARTTLS" in await trouble(url(server, "tls=starttls"))
        assert server.lines[1:] == [b""]


@pytest.mark.parametrize("tls", ["auto", "starttls"])
@in_loop
async def test_starttls_refused(tls: str) -> None:
    script = serving(b"STARTTLS", on_command=lambda line: b"454 4.7.0 not now\r\n" if line == b"STARTTLS" else None)
    async with ScriptedServer(script) as server:
        assert await trouble(url(server, f"tls={tls}")) == "STARTTLS was answered with 454 4.7.0 not now"
        assert not any(line.startswith(b"MAIL") for line in server.lines)


@in_loop
async def test_no_password_in_the_clear() -> None:
    async with ScriptedServer(serving(b"AUTH PLAIN LOGIN")) as server:
        error = await trouble(url(server, "tls=auto", URL_CREDENTIALS))
        assert error == "a password is set, but the relay offers no TLS; it is not sent in the clear"
        assert not any(line.startswith(b"AUTH") for line in server.lines)


@pytest.mark.parametrize("injected", [b"250 injected\r\n", b"250-half", b"\x00"])
@in_loop
async def test_what_comes_behind_the_reply_to_starttls_is_not_taken_for_tls(
    trusted: Certificate, injected: bytes
) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet(b"STARTTLS")
        assert await peer.line() == b"STARTTLS"
        await peer.send(b"220 go\r\n" + injected)
        await peer.reader.read()

    async with ScriptedServer(script) as server:
        assert await trouble(url(server, "tls=auto")) == "the relay sent more than the reply to STARTTLS"


@in_loop
async def test_offers_made_in_the_clear_are_forgotten_under_tls(trusted: Certificate) -> None:
    """What EHLO said before TLS may be a third party's (RFC 3207 4.2): here AUTH and PIPELINING."""

    async def script(peer: Peer) -> None:
        await peer.greet(b"STARTTLS", b"AUTH PLAIN", b"PIPELINING")
        await peer.line()
        await peer.send(b"220 go\r\n")
        await peer.writer.start_tls(trusted.server_context())
        assert (await peer.line()).startswith(b"EHLO ")
        await peer.send_ehlo(b"8BITMIME")
        await peer.serve()

    async with ScriptedServer(script) as server:
        assert "neither AUTH PLAIN nor LOGIN" in await trouble(url(server, "tls=auto", URL_CREDENTIALS))


@in_loop
async def test_no_tls_handshake(trusted: Certificate) -> None:
    async def silent(peer: Peer) -> None:
        await peer.greet(b"STARTTLS")
        await peer.line()
        await peer.send(b"220 go\r\n")
        await asyncio.sleep(60)

    async with ScriptedServer(silent) as server:
        limits = replace(QUICK, tls_handshake=0.2)
        assert (await trouble(url(server, "tls=auto"), limits=limits)).startswith("TLS handshake failed")


@in_loop
async def test_helo_where_ehlo_is_unknown() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(b"220 old\r\n")
        assert (await peer.line()).startswith(b"EHLO ")
        await peer.send(b"502 5.5.1 what?\r\n")
        assert (await peer.line()).startswith(b"HELO ")
        await peer.send(b"250 old\r\n")
        await peer.serve()

    async with ScriptedServer(script) as server, Sending(server, limits=PATIENT) as sending:
        assert (await sending.outcome(message(1))).kind is OutcomeKind.ACCEPTED


@in_loop
async def test_ehlo_names_a_domain_or_an_address() -> None:
    async with ScriptedServer(serving()) as server, Sending(server, limits=PATIENT) as sending:
        await sending.outcome(message(1))
        name = server.lines[0].removeprefix(b"EHLO ")
        assert name == b"[127.0.0.1]" or b"." in name.strip(b".")


@pytest.mark.parametrize(
    ("greeting", "error"),
    [
        (b"421 4.3.2 not now\r\n", "greeted with 421 4.3.2 not now"),
        (b"554 5.7.1 go away\r\n", "greeted with 554 5.7.1 go away"),
        (b"450-4.7.1 a\r\n450 4.7.1 b\r\n", "greeted with 450 4.7.1 a b"),
        (b"SSH-2.0-OpenSSH\r\n", "the answer is not an SMTP reply (to connect)"),
        (b"", "no reply to connect within 0.3 s"),
        (b"220 half", "no reply to connect within 0.3 s"),
        (None, "connection closed by the relay (at connect)"),
    ],
)
@in_loop
async def test_greetings(greeting: bytes | None, error: str) -> None:
    async def script(peer: Peer) -> None:
        if greeting is not None:
            await peer.send(greeting)
            await peer.reader.read()
        else:
            peer.writer.close()

    async with ScriptedServer(script) as server:
        assert await trouble(url(server, "tls=none")) == error


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"421 4.3.2 busy\r\n", "EHLO was answered with 421 4.3.2 busy"),
        (b"451 4.3.2 later\r\n", "EHLO was answered with 451 4.3.2 later"),
        (b"550 5.7.1 no\r\n", "EHLO was answered with 550 5.7.1 no"),
        (b"", "no reply to EHLO within 0.4 s"),
    ],
)
@in_loop
async def test_replies_to_ehlo(reply: bytes, error: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(b"220 x\r\n")
        while await peer.line():
            await peer.send(reply)

    async with ScriptedServer(script) as server:
        assert await trouble(url(server, "tls=none")) == error


@in_loop
async def test_more_than_the_reply_to_ehlo() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(b"220 x\r\n")
        await peer.line()
        await peer.send(b"250 x\r\n250 surplus\r\n")
        await peer.reader.read()

    async with ScriptedServer(script) as server:
        assert "sent more than the reply" in await trouble(url(server, "tls=none"))


@in_loop
async def test_nobody_listens() -> None:
    assert await trouble(url(free_port(), "tls=none")) == "connect: Connection refused"


@in_loop
async def test_an_unknown_host() -> None:
    assert "name mail.invalid can't be resolved" in await trouble("smtp://mail.invalid:25?tls=none")


@in_loop
async def test_a_connection_that_is_never_made() -> None:
    """A listener whose queue is full answers no further SYN."""

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            fillers.append(filler)
        assert await trouble(url(port, "tls=none"), limits=replace(QUICK, connect=0.2)) == "no connection within 0.2 s"
        for filler in fillers:
            filler.close()
