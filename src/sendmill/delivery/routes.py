"""Which relays take a campaign's mail, and in which order. Pure.

The relays that name the sender or its client come first, then those that take anybody's mail; within both, by priority.
Relays of one tier share the mail. The next tier takes it while every relay of the tiers before is down, and gives it
back when one is up again.
"""

from collections.abc import Collection, Container, Iterable, Mapping

from sendmill.delivery.relays import Relay

Route = tuple[tuple[str, ...], ...]
"""The names of relays, tier by tier. Empty: all relays, in one tier."""


def names_campaign(senders: Container[str], clients: Container[str], sender: str, client_object_id: str) -> bool:
    """Whether a relay that takes the mail of these is meant for a campaign; `sender` as `address_key` gives it."""
    return sender in senders or sender.rpartition("@")[2] in senders or client_object_id in clients


def route_of(relays: Iterable[Relay], sender: str, client_object_id: str) -> Route:
    """The route of a campaign's mail. `sender` is its address as `address_key` gives it."""
    tiers: dict[tuple[bool, int], list[str]] = {}
    for relay in relays:
        is_named = names_campaign(relay.senders, relay.clients, sender, client_object_id)
        if is_named or relay.takes_anybody:
            tiers.setdefault((not is_named, relay.priority), []).append(relay.name)
    return tuple(tuple(tiers[tier]) for tier in sorted(tiers))


def leads_to(route: Route, relay: str, up: Collection[str]) -> bool:
    """Whether a message that goes this way may go to the relay now: it is in the first tier of which one is up."""
    for tier in route or (tuple(up),):
        if any(name in up for name in tier):
            return relay in tier and relay in up
    return False


class Room:
    """How many messages the relays take now, as they are given out.

    `free` has the free slots of each relay that is up; one that is down is not there.
    """

    def __init__(self, free: Mapping[str, int]) -> None:
        self._free = dict(free)
        self.left = sum(self._free.values())

    def is_up(self, route: Route) -> bool:
        """Whether a relay on this way is up; also when none is up at all, for then nobody is worse off."""
        return not route or not self._free or any(name in self._free for tier in route for name in tier)

    def has_place(self, route: Route) -> bool:
        """Whether a message that goes this way has a place now."""
        return self._relay_for(route) is not None

    def place(self, route: Route, most: int = 1) -> int:
        """Give places at one relay to up to `most` messages that go this way; to how many."""
        relay = self._relay_for(route)
        if relay is None:
            return 0
        count = min(most, self._free[relay])
        self._free[relay] -= count
        self.left -= count
        return count

    def _relay_for(self, route: Route) -> str | None:
        """The relay with most room in the first tier that is up; None if that has none."""
        for tier in route or (tuple(self._free),):
            up = [name for name in tier if name in self._free]
            if up:
                best = max(up, key=self._free.__getitem__)
                return best if self._free[best] > 0 else None
        return None
