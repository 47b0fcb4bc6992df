"""Which rows go next: in fair turns, and no more of anything than the limits and the relays allow. Pure.

Clients take turns by their weights, and within a client its campaigns, so that a campaign of a hundred doesn't wait for
one of a million. Nobody waits for somebody else's limit: rows whose domain is at its limit are parked beside their
chunk, and campaigns whose sender, client or relays take no more are passed over. So are those with a large message
while enough of such is on its way: 400 of 5 MB, which the relays have room for, took 4 GB.
"""

from collections.abc import Sequence

from sendmill.delivery.gates import Gates
from sendmill.delivery.hands import Hand
from sendmill.delivery.queue import ClaimedRow
from sendmill.delivery.render import CampaignMessage
from sendmill.delivery.routes import Room
from sendmill.delivery.turns import Turns

MOST_LARGE_CHARACTERS = 50_000_000
"""Of the templates of large messages that are on their way, each counted as often as it is."""


class _Memory:
    """How much of large messages may still be rendered. Others are always allowed."""

    def __init__(self, hands: Sequence[Hand]) -> None:
        self._left = MOST_LARGE_CHARACTERS
        for hand in hands:
            self.take(hand.message, hand.outstanding)

    def allows(self, message: CampaignMessage) -> bool:
        return self._left > 0 or not message.is_large

    def take(self, message: CampaignMessage, count: int = 1) -> None:
        if message.is_large:
            self._left -= count * message.characters


class Selection:
    """Remembers whose turn it is."""

    def __init__(self, gates: Gates) -> None:
        self._gates = gates
        self._clients: Turns[str] = Turns()
        self._campaigns: Turns[int] = Turns()

    def take(self, hands: Sequence[Hand], room: Room) -> list[ClaimedRow]:
        """The rows to send now, as many as there is room for. `hands` are all there are."""
        memory = _Memory(hands)
        hands = [hand for hand in hands if hand.waiting]
        if not hands:
            return []
        if not self._gates and len({hand.claim.campaign_id for hand in hands}) == 1:
            return _take_of_one_campaign(hands, room, memory)
        by_client: dict[str, dict[int, list[Hand]]] = {}
        for hand in hands:
            campaigns = by_client.setdefault(hand.message.client_object_id, {})
            campaigns.setdefault(hand.claim.campaign_id, []).append(hand)
        taken: list[ClaimedRow] = []
        while by_client and room.left > 0:
            client = self._clients.next(by_client)
            row = self._next_of_client(by_client[client], room, memory)
            if row is None:
                del by_client[client]
                continue
            self._clients.took(client, self._gates.weight_of(client))
            taken.append(row)
        return taken

    def _next_of_client(self, campaigns: dict[int, list[Hand]], room: Room, memory: _Memory) -> ClaimedRow | None:
        while campaigns:
            campaign_id = self._campaigns.next(campaigns)
            row = self._next_of_campaign(campaigns[campaign_id], room, memory)
            if row is not None:
                self._campaigns.took(campaign_id)
                return row
            del campaigns[campaign_id]
        return None

    def _next_of_campaign(self, hands: list[Hand], room: Room, memory: _Memory) -> ClaimedRow | None:
        first = hands[0]
        if not room.has_place(first.message.route) or not all(gate.is_open for gate in first.gates):
            return None
        if not memory.allows(first.message):
            return None
        while hands:
            row = self._next_of_chunk(hands[0])
            if row is not None:
                room.place(first.message.route)
                memory.take(first.message)
                return row
            del hands[0]
        return None

    def _next_of_chunk(self, hand: Hand) -> ClaimedRow | None:
        """The chunk's next row whose domain is not at its limit; those that are at it are parked."""
        for gate, parked in hand.parked.items():
            if gate.is_open:
                row = parked.popleft()
                if not parked:
                    del hand.parked[gate]
                self._gates.enter(row.id, (*hand.gates, gate))
                return row
        while hand.rows:
            row = hand.rows.popleft()
            domain_gate = self._gates.of_domain(row.email)
            if domain_gate is None:
                self._gates.enter(row.id, hand.gates)
                return row
            if domain_gate.is_open:
                self._gates.enter(row.id, (*hand.gates, domain_gate))
                return row
            hand.park(row, domain_gate)
        return None


def _take_of_one_campaign(hands: Sequence[Hand], room: Room, memory: _Memory) -> list[ClaimedRow]:
    """The same for what is most usual, in a tenth of the time."""
    taken: list[ClaimedRow] = []
    for hand in hands:
        while hand.rows and memory.allows(hand.message):
            count = room.place(hand.message.route, 1 if hand.message.is_large else len(hand.rows))
            if not count:
                break
            memory.take(hand.message, count)
            taken += [hand.rows.popleft() for _ in range(count)]
    return taken
