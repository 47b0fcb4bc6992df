"""Gates: what the limits let through of one sender, one client or one recipient domain, in this process. Pure.

What a gate may let through comes from the database, shared with all other processes (`permits`): so many messages by a
rate, so many at once by a number of connections. A row that goes enters each of its gates, and leaves them when its
outcome is recorded.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from sendmill.addresses import InvalidAddress, domain_of


class LimitKind(StrEnum):
    """What a limit is for."""

    RELAY = "relay"
    SENDER = "sender"
    CLIENT = "client"
    DOMAIN = "domain"


class LimitKey(NamedTuple):
    """Whose limit: a relay's name, a sender's address as compared, a client's object id, a domain as A-labels."""

    kind: LimitKind
    name: str

    @property
    def bucket(self) -> str:
        """The name of its token bucket. Relays' buckets had their bare names before there were others."""
        return self.name if self.kind is LimitKind.RELAY else f"{self.kind}:{self.name}"


class LimitValues(NamedTuple):
    """`rate` is messages a second, `connections` how many are handed over at once, over all processes; None without.

    `weight` is a client's share beside others.
    """

    rate: float | None = None
    connections: int | None = None
    weight: int = 1


class Gate:
    """One limit in this process. `permits` are messages it may still let through, `slots` how many may be inside."""

    __slots__ = ("inside", "key", "permits", "slots", "values")

    def __init__(self, key: LimitKey, values: LimitValues) -> None:
        self.key = key
        self.values = values
        self.permits = 0
        self.slots = 0
        self.inside = 0

    @property
    def is_open(self) -> bool:
        """Whether it lets one more through."""
        if self.values.rate is not None and self.permits <= 0:
            return False
        return self.values.connections is None or self.inside < self.slots

    def enter(self) -> None:
        """One more goes through."""
        self.inside += 1
        self.permits -= 1

    def leave(self, was_sent: bool) -> None:
        """It has its outcome. What was not sent used nothing of the rate."""
        self.inside -= 1
        if not was_sent:
            self.permits += 1


class Gates:
    """All gates of this process, and which rows are inside."""

    def __init__(self) -> None:
        self._limits: Mapping[LimitKey, LimitValues] = {}
        self._gates: dict[LimitKey, Gate] = {}
        self._has_domains = False
        self._inside: dict[int, tuple[Gate, ...]] = {}
        self._have_room = False

    def all(self) -> list[Gate]:
        """Every gate."""
        return list(self._gates.values())

    def __bool__(self) -> bool:
        return bool(self._gates)

    def set_limits(self, limits: Mapping[LimitKey, LimitValues]) -> bool:
        """These are the limits now; whether they have changed. A gate whose limit stays keeps what it has."""
        if limits == self._limits:
            return False
        self._limits = limits
        before, self._gates = self._gates, {}
        for key, values in limits.items():
            if key.kind is not LimitKind.RELAY and (values.rate is not None or values.connections is not None):
                gate = self._gates[key] = before.get(key) or Gate(key, values)
                if gate.values.rate is None:
                    gate.permits = 0  # what went through without a rate was counted all the same
                gate.values = values
        self._has_domains = any(key.kind is LimitKind.DOMAIN for key in self._gates)
        return True

    def of_campaign(self, sender: str, client_object_id: str) -> tuple[Gate, ...]:
        """The gates that every row of a campaign goes through."""
        keys = LimitKey(LimitKind.SENDER, sender), LimitKey(LimitKind.CLIENT, client_object_id)
        return tuple(self._gates[key] for key in keys if key in self._gates)

    def of_domain(self, email: str) -> Gate | None:
        """The gate of a recipient's domain."""
        if not self._has_domains:
            return None
        try:
            return self._gates.get(LimitKey(LimitKind.DOMAIN, domain_of(email)))
        except InvalidAddress:
            return None

    def weight_of(self, client_object_id: str) -> int:
        """A client's share beside others."""
        values = self._limits.get(LimitKey(LimitKind.CLIENT, client_object_id))
        return 1 if values is None else values.weight

    def enter(self, delivery_id: int, gates: tuple[Gate, ...]) -> None:
        """A row goes through these."""
        if gates:
            self._inside[delivery_id] = gates
            for gate in gates:
                gate.enter()

    def leave(self, delivery_id: int, was_sent: bool) -> None:
        """A row that may have gone through gates has its outcome, or doesn't go after all."""
        for gate in self._inside.pop(delivery_id, ()):
            gate.leave(was_sent)
            self._have_room = True

    def take_room(self) -> bool:
        """Whether a row has left a gate since the last call: another may go at once."""
        have_room, self._have_room = self._have_room, False
        return have_room
