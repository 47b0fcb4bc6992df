"""Chunks, campaigns and hands, made up."""

from sendmill.addresses import envelope_address
from sendmill.content.compile import compile_message
from sendmill.delivery.gates import Gates
from sendmill.delivery.hands import Hands
from sendmill.delivery.models import CHUNK_SHIFT
from sendmill.delivery.queue import Claim, ClaimedRow
from sendmill.delivery.render import CampaignMessage
from sendmill.delivery.routes import Room, Route
from sendmill.delivery.selection import Selection
from sendmill.delivery.states import State

CLIENT = "a" * 24


def claim(chunk_id: int, count: int, campaign_id: int = 1, domains: tuple[str, ...] = ("example.com",)) -> Claim:
    """A claim of `count` rows, whose domains follow each other."""
    first = chunk_id << CHUNK_SHIFT
    rows = [ClaimedRow(first + n, f"p{n}@{domains[n % len(domains)]}", "", "{}", State.QUEUED, 0) for n in range(count)]
    return Claim(chunk_id, campaign_id, 1, rows, 0)


def message_of(
    client: str = CLIENT, sender: str = "news@sender.test", route: Route = (), body: str = ""
) -> CampaignMessage:
    """A campaign that renders nothing, unless it has a body."""
    return CampaignMessage(
        object_id="c" * 24,
        client_id=int(client[0], 16),
        client_object_id=client,
        sender=sender,
        route=route,
        envelope_sender=envelope_address(sender),
        message_id_domain="sender.test",
        compiled=compile_message("s", body, sender) if body else None,
        problem="",
        unsubscribe_base=b"https://mail.test/u/",
    )


def hands_with(*claims: Claim) -> Hands:
    hands = Hands()
    for each in claims:
        hands.add(each, message_of(), deadline=100.0)
    return hands


def take(hands: Hands, most: int) -> list[ClaimedRow]:
    """Up to so many rows, without limits."""
    return Selection(Gates()).take(hands.all(), Room({"relay:25": most}))
