"""Rendering: a campaign's compiled message and a claimed row become a transmission."""

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from weakref import WeakValueDictionary

import orjson
import structlog

from sendmill.addresses import EnvelopeAddress, InvalidAddress, address_key, domain_of, envelope_address
from sendmill.campaigns.models import Campaign
from sendmill.content.compile import CompiledMessage, Recipient, compile_message
from sendmill.content.template import RenderError, TemplateError
from sendmill.content.variables import UNSUBSCRIBE_URL, VIEW_IN_BROWSER_URL
from sendmill.delivery.dkim import Signer
from sendmill.delivery.queue import ClaimedRow
from sendmill.delivery.relays import Relay
from sendmill.delivery.routes import Route, route_of
from sendmill.delivery.states import State
from sendmill.delivery.transmission import Transmission
from sendmill.ids import KIND_QUEUE, numbered
from sendmill.links import UNSUBSCRIBE, VIEW_IN_BROWSER, LinkTarget, list_headers, make_token
from sendmill.senders.dkim_keys import UnreadableKey, signing_key

log = structlog.get_logger()

LARGE_CHARACTERS = 100_000
MOST_KEPT_CHARACTERS = 20_000_000  # of templates; compiled, a character takes up to 8 octets


@dataclass(frozen=True, slots=True)
class Unsendable:
    """Why no message can be made for a recipient: `FAILED` for a template that breaks, `INVALID` for an address."""

    delivery_id: int
    state: State
    reason: str


@dataclass(frozen=True, slots=True, weakref_slot=True)
class CampaignMessage:
    """What a worker needs to know of a campaign to send it: compiled once, used for every row.

    `sender` is its address as addresses are compared.
    """

    object_id: str
    client_id: int
    client_object_id: str
    sender: str
    route: Route
    envelope_sender: EnvelopeAddress
    message_id_domain: str
    compiled: CompiledMessage | None
    problem: str
    unsubscribe_base: bytes
    signer: Signer | None = None

    @property
    def characters(self) -> int:
        """Of its templates: about how large it is."""
        return 0 if self.compiled is None else self.compiled.characters

    @property
    def is_large(self) -> bool:
        """Whether many of it at once take much memory, and one of it may take long to render."""
        return self.characters > LARGE_CHARACTERS

    def transmission(self, row: ClaimedRow) -> Transmission | Unsendable:
        """The row's message, ready for the wire.

        The Message-ID is made of the campaign and the delivery alone, so a repeat of the message has the same one.
        """
        if self.compiled is None:
            return Unsendable(row.id, State.FAILED, self.problem)
        try:
            recipient = envelope_address(row.email)
            tokens = {UNSUBSCRIBE_URL: make_token(UNSUBSCRIBE, self.client_id, row.id, row.email)}
            if VIEW_IN_BROWSER_URL in self.compiled.used_links:
                tokens[VIEW_IN_BROWSER_URL] = make_token(VIEW_IN_BROWSER, self.client_id, row.id, row.email)
            content = self.compiled.render(
                Recipient(row.name, row.email, orjson.loads(row.fields)),
                message_id=f"{numbered(self.object_id, KIND_QUEUE, row.id)}@{self.message_id_domain}",
                date=_date_header(int(time.time())),
                headers=list_headers(self.unsubscribe_base, tokens[UNSUBSCRIBE_URL]),
                address=recipient.octets,
                tokens=tokens,
            )
            if self.signer is not None:
                content = self.signer.sign(content) + content
        except InvalidAddress as error:
            return Unsendable(row.id, State.INVALID, str(error))
        except RenderError as error:
            return Unsendable(row.id, State.FAILED, f"template: {error}")
        return Transmission(
            delivery_id=row.id,
            envelope_sender=self.envelope_sender.octets,
            recipient=recipient.octets,
            content=content,
            smtputf8=recipient.needs_smtputf8 or self.envelope_sender.needs_smtputf8,
            route=self.route,
            is_wire_ready=True,  # what CompiledMessage.render guarantees, and its tests hold it to
        )


def load_campaign_message(campaign_id: int, relays: Sequence[Relay]) -> CampaignMessage:
    """Read what a started campaign froze, and compile it. Raises Campaign.DoesNotExist."""
    campaign = Campaign.objects.select_related("client").get(pk=campaign_id)
    compiled: CompiledMessage | None = None
    problem = ""
    try:
        compiled = compile_message(campaign.frozen_subject, campaign.frozen_body, campaign.frozen_sender, link_bases())
    except TemplateError as error:
        # Messages are checked when they are stored; one that breaks all the same fails its recipients, with the
        # reason in each result, and not the worker.
        problem = f"template: {error}"
    sender = envelope_address(campaign.frozen_sender)
    domain = domain_of(sender.octets.decode())
    signer: Signer | None = None
    try:
        key = signing_key(domain, campaign.client_id)
        signer = None if key is None else Signer(*key)
    except UnreadableKey as error:
        # Unsigned is not what who made a key expects: the recipients fail with the reason, until it is mended.
        log.error("dkim.unreadable_key", campaign=campaign.object_id, error=str(error))
        compiled, problem = None, str(error)
    return CampaignMessage(
        object_id=campaign.object_id,
        client_id=campaign.client_id,
        client_object_id=campaign.client.object_id,
        sender=address_key(campaign.frozen_sender),
        route=route_of(relays, address_key(campaign.frozen_sender), campaign.client.object_id),
        envelope_sender=sender,
        message_id_domain=domain,
        compiled=compiled,
        problem=problem,
        unsubscribe_base=UNSUBSCRIBE.base.encode("ascii"),
        signer=signer,
    )


def link_bases() -> dict[str, str]:
    """The links that templates name, up to a recipient's token."""
    return {UNSUBSCRIBE_URL: UNSUBSCRIBE.base, VIEW_IN_BROWSER_URL: VIEW_IN_BROWSER.base}


def link_urls(target: LinkTarget) -> dict[str, str]:
    """A recipient's links, by the names that templates have for them."""
    kinds = {UNSUBSCRIBE_URL: UNSUBSCRIBE, VIEW_IN_BROWSER_URL: VIEW_IN_BROWSER}
    return {name: kind.base + make_token(kind, *target).decode("ascii") for name, kind in kinds.items()}


def message_cache(size: int, relays: Sequence[Relay]) -> Callable[[int], CampaignMessage]:
    """`load_campaign_message` with the last used kept: what a campaign froze never changes. For one thread.

    At most `size` are kept, and of large ones so many as have `MOST_KEPT_CHARACTERS` together: 64 of 10 MB took 5 GB.
    What somebody still sends is found all the same.
    """
    kept: dict[int, CampaignMessage] = {}  # the last used at its end
    alive: WeakValueDictionary[int, CampaignMessage] = WeakValueDictionary()

    def message_of(campaign_id: int) -> CampaignMessage:
        message = alive.get(campaign_id) or load_campaign_message(campaign_id, relays)
        kept.pop(campaign_id, None)
        kept[campaign_id] = alive[campaign_id] = message
        while len(kept) > size or (
            len(kept) > 1 and sum([each.characters for each in kept.values()]) > MOST_KEPT_CHARACTERS
        ):
            del kept[next(iter(kept))]
        return message

    return message_of


@functools.lru_cache(maxsize=4)
def _date_header(second: int) -> str:
    """The Date of RFC 5322 3.3 for this second; made once a second and not once a message (6 µs)."""
    return format_datetime(datetime.fromtimestamp(second, UTC))
