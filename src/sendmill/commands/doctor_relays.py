"""The doctor's look at mail servers: a whole session up to where MAIL would come, and no mail."""

import asyncio
from collections.abc import Sequence

import uvloop
from django.conf import settings

from sendmill.commands.finding import Finding
from sendmill.delivery.relay_pool import tls_context_of
from sendmill.delivery.relays import Relay
from sendmill.delivery.smtp_session import RelayProblem, Session, open_session
from sendmill.delivery.transmission import TimeLimits

_LIMITS = TimeLimits(connect=5.0, tls_handshake=5.0, greeting=10.0, command=10.0)
_ADVICE = "Check the relay in SENDMILL_SMTP_URL (host, port, tls, user, password), and that the mail server runs."


def examine_relays(relays: Sequence[Relay]) -> list[Finding]:
    """All at the same time: each takes as long as a mail server that doesn't answer lets one wait."""
    return uvloop.run(_examine_all(relays))


async def _examine_all(relays: Sequence[Relay]) -> list[Finding]:
    return await asyncio.gather(*map(_examine, relays))


async def _examine(relay: Relay) -> Finding:
    if relay.kind == "outbox":
        return Finding("relay", "ok", f"outbox: mail is kept in {settings.SENDMILL_DATA / 'outbox'}, none leaves")
    try:
        session = await open_session(relay, tls_context_of(relay), _LIMITS)
    except RelayProblem as problem:
        return Finding("relay", "problem", f"{relay.name}: {problem}", _ADVICE)
    session.transport.write(b"QUIT\r\n")
    session.transport.close()
    return _of_session(relay, session)


def _of_session(relay: Relay, session: Session) -> Finding:
    secured = session.transport.get_extra_info("ssl_object")
    told = [secured.version() if secured is not None else "without TLS"]
    if relay.user is not None:
        told.append(f"logged in as {relay.user}")
    if not session.capabilities.pipelining:
        return Finding(
            "relay", "notice", f"{relay.name}: {', '.join(told)}, no PIPELINING",
            "Without PIPELINING each message takes several round trips: sending is slow.",
        )  # fmt: skip
    if secured is None and not _is_loopback(session):
        return Finding(
            "relay", "notice", f"{relay.name}: {', '.join(told)}",
            "Mail goes to this server in the clear: use tls=starttls or tls=implicit if it offers one.",
        )  # fmt: skip
    return Finding("relay", "ok", f"{relay.name}: {', '.join(told)}")


def _is_loopback(session: Session) -> bool:
    return str(session.transport.get_extra_info("peername")[0]).startswith(("127.", "::1"))
