"""The installation's own mail, such as a link for a new password, through the relays that campaigns take.

Django's EMAIL_BACKEND. A message is on its way within seconds or its sender gets an error: nothing is queued.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from sendmill.delivery.relay_pool import RelayPool
from sendmill.delivery.relays import Relay, parse_relays
from sendmill.delivery.transmission import Outcome, OutcomeKind, Transmission
from sendmill.errors import SendmillError

log = structlog.get_logger()

_SECONDS = 30.0
_SECONDS_TO_CLOSE = 2.0


class NoticeNotSent(SendmillError):
    """No relay has taken it."""


class RelayEmailBackend(BaseEmailBackend):
    """Hands each message over, to the first relay that is up, in the order of their priority."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """How many were sent. Raises NoticeNotSent, unless `fail_silently`."""
        # A notice is nobody's campaign, so only the relays that take everybody's mail take it.
        relays = [relay for relay in parse_relays(settings.SENDMILL_SMTP_URL) if relay.takes_anybody]
        by_priority = sorted(relays, key=lambda relay: relay.priority)
        failed = 0
        for message in email_messages:
            outcomes = asyncio.run(hand_over(by_priority, _transmissions(message)))
            refused = next((one for one in outcomes if one.kind is not OutcomeKind.ACCEPTED), None)
            if refused is not None:
                log.error("notice.not_sent", relay=refused.relay, reply=refused.reply)
                if not self.fail_silently:
                    raise NoticeNotSent(f"The mail could not be sent: {refused.relay}: {refused.reply}")
                failed += 1
        return len(email_messages) - failed


def _transmissions(message: EmailMessage) -> list[Transmission]:
    """One for each recipient, numbered from 0."""
    content = b"\r\n".join(message.message().as_bytes().splitlines()) + b"\r\n"
    # Addresses that could break out of an SMTP command are refused by the pool.
    sender = settings.DEFAULT_FROM_EMAIL
    return [
        Transmission(number, sender.encode(), to.encode(), content, smtputf8=not (sender + to).isascii())
        for number, to in enumerate(message.recipients())
    ]


async def hand_over(relays: Sequence[Relay], transmissions: Sequence[Transmission]) -> list[Outcome]:
    """What became of each, with at least one relay. One that is down gives them back, and the next is asked."""
    waiting = {one.delivery_id: one for one in transmissions}
    outcomes: dict[int, Outcome] = {}
    for relay in relays:
        if not waiting:
            break
        for outcome in await _ask(relay, list(waiting.values())):
            outcomes[outcome.delivery_id] = outcome
            if outcome.kind is not OutcomeKind.NOT_SENT:
                del waiting[outcome.delivery_id]
    return list(outcomes.values())


async def _ask(relay: Relay, transmissions: Sequence[Transmission]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    is_done = asyncio.Event()

    def conclude(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if len(outcomes) == len(transmissions):
            is_done.set()

    options: dict[str, Any] = {"outbox_folder": settings.SENDMILL_DATA / "outbox"}
    pool = RelayPool([relay], on_last_bytes=lambda _number: True, on_outcome=conclude, **options)
    for transmission in transmissions:
        pool.submit(transmission)
    try:
        async with asyncio.timeout(_SECONDS):
            await is_done.wait()
    except TimeoutError:
        pass  # closing gives back what is still waiting
    await pool.close(_SECONDS_TO_CLOSE)
    return outcomes
