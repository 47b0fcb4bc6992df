"""Opening an SMTP session: connect, greeting, EHLO, STARTTLS, AUTH. From there on `smtp_connection` has it.

This part happens once in hundreds of messages, so it is a plain coroutine that awaits each reply.
"""

import asyncio
import base64
import re
import socket
import ssl
from collections import deque
from typing import NamedTuple, cast

from sendmill.delivery.relays import Relay
from sendmill.delivery.smtp import Capabilities, auth_login_answer, auth_plain, parse_capabilities
from sendmill.delivery.smtp_reply import ReplyParser, readable
from sendmill.delivery.transmission import TimeLimits

_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+")


class RelayProblem(Exception):
    """The relay can't be used now. `str()` is fit for logs: it holds no secret.

    `needs_attention`: somebody has to change something (login, certificate, TLS); waiting alone won't help.
    """

    def __init__(self, text: str, *, needs_attention: bool = False) -> None:
        super().__init__(text)
        self.needs_attention = needs_attention


class Session(NamedTuple):
    """An open session, ready for MAIL. Its transport's protocol is to be replaced by the caller."""

    transport: asyncio.Transport
    capabilities: Capabilities


class Dialogue(asyncio.Protocol):
    """One command, one reply: the protocol of a connection until its session is open."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._parser = ReplyParser()
        self._replies: deque[tuple[int, bytes]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._lost: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are not subclasses

    def data_received(self, data: bytes) -> None:
        self._replies.extend(self._parser.feed(data))
        if self._replies or self._parser.broken:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = "connection closed by the relay" if exc is None else f"connection lost: {_reason(exc)}"
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def reply(self, seconds: float, to: str) -> tuple[int, bytes]:
        """The next reply. Raises RelayProblem if none comes in time, the connection is lost, or what comes is none."""
        try:
            async with asyncio.timeout(seconds):
                while not self._replies:
                    if self._parser.broken:
                        raise RelayProblem(f"{self._parser.broken} (to {to})")
                    if self._lost:
                        raise RelayProblem(f"{self._lost} (at {to})")
                    self._waiter = asyncio.get_running_loop().create_future()
                    await self._waiter
        except TimeoutError:
            raise RelayProblem(f"no reply to {to} within {seconds:g} s") from None
        return self._replies.popleft()

    async def command(self, line: bytes, seconds: float, name: str) -> tuple[int, bytes]:
        """Writes a command and returns the reply. `name` stands for it in errors, as the line may hold a secret."""
        assert self.transport is not None
        self.transport.write(line)
        return await self.reply(seconds, name)

    def check_silent(self, after: str) -> None:
        """Raises RelayProblem if anything came that was not asked for.

        After STARTTLS this is the defence against injection: what a third party put behind the plain-text 220 must
        never be read as if it had come under TLS (CVE-2011-0411 and its kin on the client's side). To go on with the
        buffer emptied would be allowed too, but a relay that does this is broken or attacked.
        """
        if self._replies or not self._parser.is_between_replies or self._parser.broken:
            raise RelayProblem(f"the relay sent more than the reply to {after}", needs_attention=True)
        if self._lost:
            raise RelayProblem(f"{self._lost} (after {after})")


async def open_session(relay: Relay, tls_context: ssl.SSLContext | None, limits: TimeLimits) -> Session:
    """Connects to a relay and brings it to where MAIL can be sent. Raises RelayProblem; then nothing is left open.

    `tls_context` is None only for tls=none. Credentials go out over TLS or not at all.
    """
    dialogue = await _connect(relay, tls_context, limits)
    try:
        return await _set_up(dialogue, relay, tls_context, limits)
    except BaseException:
        if dialogue.transport is not None:
            dialogue.transport.abort()
        raise


async def _set_up(dialogue: Dialogue, relay: Relay, tls_context: ssl.SSLContext | None, limits: TimeLimits) -> Session:
    code, text = await dialogue.reply(limits.greeting, "connect")
    if code != 220:
        raise RelayProblem(f"greeted with {code} {readable(text)}")
    capabilities = await _hello(dialogue, limits)
    under_tls = relay.tls == "implicit"
    if relay.tls == "starttls" or (relay.tls == "auto" and capabilities.starttls):
        if not capabilities.starttls:
            raise RelayProblem("tls=starttls, but the relay does not offer STARTTLS", needs_attention=True)
        assert tls_context is not None
        await _start_tls(dialogue, relay, tls_context, limits)
        # What was offered in the clear is forgotten (RFC 3207 4.2).
        capabilities = await _hello(dialogue, limits)
        under_tls = True
    if relay.user is not None:
        if not under_tls:
            raise RelayProblem(
                "a password is set, but the relay offers no TLS; it is not sent in the clear", needs_attention=True
            )
        await _log_in(dialogue, relay, capabilities, limits)
    dialogue.check_silent("the last command of the session's start")
    assert dialogue.transport is not None
    return Session(dialogue.transport, capabilities)


async def _connect(relay: Relay, tls_context: ssl.SSLContext | None, limits: TimeLimits) -> Dialogue:
    """A connection to the first of the relay's addresses that takes one, under TLS already when that is implicit."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(limits.connect):
            addresses = await loop.getaddrinfo(relay.host, relay.port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise RelayProblem(f"the name {relay.host} was not resolved within {limits.connect:g} s") from None
    except (OSError, UnicodeError) as error:
        raise RelayProblem(f"the name {relay.host} can't be resolved: {_reason(error)}") from None
    problem = RelayProblem(f"the name {relay.host} has no address")
    implicit = relay.tls == "implicit"
    for family, _, _, _, address in addresses:
        try:
            async with asyncio.timeout(limits.connect + (limits.tls_handshake if implicit else 0)):
                _, dialogue = await loop.create_connection(
                    Dialogue,
                    str(address[0]),
                    relay.port,
                    family=family,
                    ssl=tls_context if implicit else None,
                    server_hostname=relay.host if implicit else None,
                    ssl_handshake_timeout=limits.tls_handshake if implicit else None,
                )
        except OSError as error:  # TimeoutError and SSLError are such
            problem = _connection_problem(error, relay, limits)
        else:
            return dialogue
    raise problem


def _connection_problem(error: Exception, relay: Relay, limits: TimeLimits) -> RelayProblem:
    if isinstance(error, ssl.SSLError):
        return _tls_problem(error, relay)
    if isinstance(error, TimeoutError) and not error.errno:
        return RelayProblem(f"no connection within {limits.connect:g} s")
    return RelayProblem(f"connect: {_reason(error)}")


def _tls_problem(error: Exception, relay: Relay) -> RelayProblem:
    if isinstance(error, ssl.SSLCertVerificationError):
        return RelayProblem(
            f"the certificate for {relay.host} is not valid: {error.verify_message} (verify=no would take it)",
            needs_attention=True,
        )
    return RelayProblem(f"TLS handshake failed: {_reason(error)}")


def _reason(error: Exception) -> str:
    """An error's text without numbers and addresses that add nothing."""
    return readable((getattr(error, "strerror", None) or str(error) or type(error).__name__).encode())


async def _hello(dialogue: Dialogue, limits: TimeLimits) -> Capabilities:
    """EHLO, or HELO where EHLO is not known (RFC 5321 4.1.4)."""
    assert dialogue.transport is not None
    name = _own_name(dialogue.transport)
    code, text = await dialogue.command(b"EHLO " + name + b"\r\n", limits.command, "EHLO")
    if code == 250:
        return parse_capabilities(text)
    if code // 100 == 5:
        code, text = await dialogue.command(b"HELO " + name + b"\r\n", limits.command, "HELO")
        if code == 250:
            return Capabilities()
    raise RelayProblem(f"EHLO was answered with {code} {readable(text)}")


def _own_name(transport: asyncio.Transport) -> bytes:
    """This machine's name if it is a domain, else its address on this connection as a literal (RFC 5321 4.1.4).

    Not socket.getfqdn(): that asks DNS, and blocks.
    """
    host = socket.gethostname()
    if _DOMAIN.fullmatch(host):
        return host.encode("ascii")
    address = str(transport.get_extra_info("sockname")[0]).partition("%")[0]
    return f"[IPv6:{address}]".encode() if ":" in address else f"[{address}]".encode()


async def _start_tls(dialogue: Dialogue, relay: Relay, tls_context: ssl.SSLContext, limits: TimeLimits) -> None:
    code, text = await dialogue.command(b"STARTTLS\r\n", limits.command, "STARTTLS")
    if code != 220:
        raise RelayProblem(f"STARTTLS was answered with {code} {readable(text)}")
    dialogue.check_silent("STARTTLS")
    plain = dialogue.transport
    assert plain is not None
    try:
        secured = await asyncio.get_running_loop().start_tls(
            plain,
            dialogue,
            tls_context,
            server_hostname=relay.host,
            ssl_handshake_timeout=limits.tls_handshake,
        )
    except OSError as error:  # a handshake out of time is a ConnectionAbortedError
        raise _tls_problem(error, relay) from None
    if secured is None:
        raise RelayProblem("TLS handshake failed: connection closed by the relay")
    dialogue.transport = secured


async def _log_in(dialogue: Dialogue, relay: Relay, capabilities: Capabilities, limits: TimeLimits) -> None:
    """AUTH PLAIN, or LOGIN where only that is offered. Raises RelayProblem if the relay says no."""
    assert relay.user is not None
    assert relay.password is not None
    if "PLAIN" in capabilities.auth:
        code, text = await dialogue.command(auth_plain(relay.user, relay.password), limits.command, "AUTH")
    elif "LOGIN" in capabilities.auth:
        code, text = await dialogue.command(b"AUTH LOGIN\r\n", limits.command, "AUTH")
        for answer in (relay.user, relay.password):
            if code == 334:
                code, text = await dialogue.command(auth_login_answer(answer), limits.command, "AUTH")
    else:
        raise RelayProblem("a password is set, but the relay offers neither AUTH PLAIN nor LOGIN", needs_attention=True)
    if code != 235:
        raise RelayProblem(
            f"login refused: {code} {_without_secrets(readable(text), relay)}", needs_attention=code // 100 == 5
        )


def _without_secrets(text: str, relay: Relay) -> str:
    """A reply to AUTH, unless it repeats the password or the line that carried it."""
    assert relay.user is not None
    assert relay.password is not None
    carried = auth_plain(relay.user, relay.password).split()[-1].decode()
    encoded = base64.b64encode(relay.password.encode()).decode()
    return "(text withheld)" if any(secret in text for secret in (relay.password, carried, encoded)) else text
