"""The ordinary ways to a real server (aiosmtpd): in the clear, STARTTLS, implicit TLS, logins, SMTPUTF8."""

from typing import Any

import pytest

from sendmill.delivery.transmission import OutcomeKind
from tests.unit.delivery.smtp_peer import PATIENT, Sending, in_loop, message
from tests.unit.delivery.smtp_servers import URL_CREDENTIALS, Aiosmtpd, Certificate, url


@in_loop
async def test_in_the_clear_with_pipelining_absent() -> None:
    with Aiosmtpd() as server:
        async with Sending(url=url(server, "tls=none&connections=2"), limits=PATIENT) as sending:
            await sending.outcome(*(message(i) for i in range(20)))
            assert {outcome.kind for outcome in sending.outcomes} == {OutcomeKind.ACCEPTED}
            assert sending.of(3).reply == "2.0.0 kept"
        received = {envelope.rcpt_tos[0]: envelope for envelope, _ in server.mailbox.received}
        assert len(server.mailbox.received) == len(received) == 20
        assert received["user7@example.org"].original_content == message(7).content
        assert received["user7@example.org"].mail_from == "news@example.com"


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("tls", ["auto", "starttls"])
@in_loop
async def test_starttls_and_login(trusted: Certificate, mechanism: str, tls: str) -> None:
    with Aiosmtpd(mechanisms=(mechanism,), tls_context=trusted.server_context(), require_starttls=True) as server:
        async with Sending(url=url(server, f"tls={tls}", URL_CREDENTIALS), limits=PATIENT) as sending:
            outcome = await sending.outcome(message(1))
            assert outcome.kind is OutcomeKind.ACCEPTED, sending.pool.health()
        (_, session) = server.mailbox.received[0]
        assert session.ssl is not None
        assert server.logins == [mechanism]


@in_loop
async def test_implicit_tls_and_login(trusted: Certificate) -> None:
    options: dict[str, Any] = {
        "mechanisms": ("PLAIN",),
        "implicit": trusted.server_context(),
        "auth_require_tls": False,
    }
    with Aiosmtpd(**options) as server:
        async with Sending(url=url(server, "tls=implicit", URL_CREDENTIALS), limits=PATIENT) as sending:
            outcomes = [await sending.outcome(message(i)) for i in range(3)]
            assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACCEPTED}, sending.pool.health()


@in_loop
async def test_large_content_over_tls(trusted: Certificate) -> None:
    content = b"Subject: large\r\n\r\n" + (b"y" * 76 + b"\r\n") * 30_000
    options = {"tls_context": trusted.server_context(), "data_size_limit": 10**8}
    with Aiosmtpd(**options) as server:
        async with Sending(url=url(server, "tls=starttls&connections=1"), limits=PATIENT) as sending:
            await sending.outcome(message(1, content=content), message(2), message(3, content=content))
            assert sending.kinds() == [(i, "ACCEPTED") for i in (1, 2, 3)]
        assert [envelope.original_content for envelope, _ in server.mailbox.received] == [
            content, message(2).content, content,
        ]  # fmt: skip


@in_loop
async def test_smtputf8() -> None:
    content = "Subject: Grüße\r\n\r\nschön\r\n".encode()
    with Aiosmtpd() as server:
        async with Sending(url=url(server, "tls=none"), limits=PATIENT) as sending:
            outcome = await sending.outcome(
                message(1, recipient="grün@bücher.example".encode(), content=content, smtputf8=True)
            )
            assert outcome.kind is OutcomeKind.ACCEPTED
        (envelope, _) = server.mailbox.received[0]
        assert envelope.smtp_utf8
        assert envelope.rcpt_tos == ["grün@bücher.example"]
        assert envelope.original_content == content
        assert envelope.mail_options[-2:] == ["SMTPUTF8", "BODY=8BITMIME"]
