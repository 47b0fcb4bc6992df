"""One message to one person, handed over while somebody waits for it: a test of a campaign's message, for one.

It takes the relays that the sender's mail takes, and no part in limits and accounting: it is of no campaign.
"""

import asyncio
import secrets
from collections.abc import Sequence
from email.utils import formatdate

from sendmill.accounts.models import Client
from sendmill.addresses import address_key, domain_of, envelope_address
from sendmill.content.compile import Recipient, compile_message
from sendmill.content.variables import UNSUBSCRIBE_URL, VIEW_IN_BROWSER_URL
from sendmill.delivery.dkim import Signer
from sendmill.delivery.notices import hand_over
from sendmill.delivery.relays import Relay
from sendmill.delivery.render import link_bases
from sendmill.delivery.routes import route_of
from sendmill.delivery.transmission import Outcome, OutcomeKind, Transmission
from sendmill.links import UNSUBSCRIBE, VIEW_IN_BROWSER, list_headers, make_token
from sendmill.senders.dkim_keys import signing_key

_NO_CAMPAIGN = 0


def single_message(client: Client, sender: str, subject: str, body: str, recipient: Recipient) -> Transmission:
    """A message of this client's, signed like all its mail. Raises TemplateError, RenderError, InvalidAddress for
    either address, and UnreadableKey.
    """
    envelope_sender, envelope = envelope_address(sender), envelope_address(recipient.email)
    domain = domain_of(envelope_sender.octets.decode())
    kinds = {UNSUBSCRIBE_URL: UNSUBSCRIBE, VIEW_IN_BROWSER_URL: VIEW_IN_BROWSER}
    tokens = {name: make_token(kind, client.pk, _NO_CAMPAIGN, recipient.email) for name, kind in kinds.items()}
    content = compile_message(subject, body, sender, link_bases()).render(
        recipient,
        message_id=f"{secrets.token_hex(16)}@{domain}",
        date=formatdate(),
        headers=list_headers(UNSUBSCRIBE.base.encode("ascii"), tokens[UNSUBSCRIBE_URL]),
        address=envelope.octets,
        tokens=tokens,
    )
    key = signing_key(domain, client.pk)
    if key is not None:
        content = Signer(*key).sign(content) + content
    return Transmission(
        delivery_id=0,
        envelope_sender=envelope_sender.octets,
        recipient=envelope.octets,
        content=content,
        smtputf8=envelope.needs_smtputf8 or envelope_sender.needs_smtputf8,
        is_wire_ready=True,
    )


def send_single(transmission: Transmission, sender: str, client: Client, relays: Sequence[Relay]) -> Outcome:
    """Hand it over to the first relay on the way of this sender's mail that is up; what became of it."""
    by_name = {relay.name: relay for relay in relays}
    route = route_of(relays, address_key(sender), client.object_id)
    if not route:
        reply = "no mail server takes this sender's mail"
        return Outcome(transmission.delivery_id, OutcomeKind.NOT_SENT, None, reply, "")
    ordered = [by_name[name] for tier in route for name in tier]
    outcomes = asyncio.run(hand_over(ordered, [transmission]))
    return outcomes[-1]
