"""What the limits allow, fetched from the database for this process: messages by rate, and connections.

Rates are token buckets that all processes draw from (`budget`), connections are parts of a whole that each holds
(`slots`). Relays and gates get what they can use soon, no more: what lies unused in one process is missing in another.
"""

from collections.abc import Mapping, Sequence

from sendmill.delivery import budget, limits, slots
from sendmill.delivery.clock import steady_seconds
from sendmill.delivery.database_thread import DatabaseThread
from sendmill.delivery.gates import Gate, Gates, LimitKey, LimitKind, LimitValues
from sendmill.delivery.hands import Hands
from sendmill.delivery.relay_pool import RelayPool
from sendmill.delivery.relays import Relay

LIMITS_SECONDS = 1.0
SLOTS_SECONDS = 0.25
# What a process takes from a bucket in advance: enough for the time to its next visit.
AHEAD_SECONDS = 0.125


class Permits:
    """Keeps this process's relays and gates supplied."""

    def __init__(
        self, database: DatabaseThread, owner: str, pool: RelayPool, gates: Gates, relays: Sequence[Relay]
    ) -> None:
        self._database = database
        self._owner = owner
        self._pool = pool
        self._gates = gates
        self._relays = relays
        self._relay_rates: dict[str, float] = {}
        self._relay_connections: dict[str, int] = {}
        self._holding: set[LimitKey] = set()
        self._limits_after = 0.0
        self._slots_after = 0.0
        self._set_relay_limits({})

    async def refresh(self, hands: Hands) -> None:
        """Fetch what is due to be fetched: limits that have changed, connections, and messages for what waits."""
        now = steady_seconds()
        if now >= self._limits_after:
            self._limits_after = now + LIMITS_SECONDS
            found = await self._database.run(limits.load_limits)
            if self._gates.set_limits(found):
                self._set_relay_limits(found)
                for hand in hands.all():
                    hand.unpark()
                    hand.gates = self._gates.of_campaign(hand.message.sender, hand.message.client_object_id)
        if now >= self._slots_after and (self._gates or self._relay_connections or self._holding):
            self._slots_after = now + SLOTS_SECONDS
            await self._ask_for_slots(hands)
        await self._ask_for_messages(hands)

    def _set_relay_limits(self, found: Mapping[LimitKey, LimitValues]) -> None:
        """The lower one counts of a relay's own rate and of its limit."""
        self._relay_rates, self._relay_connections = {}, {}
        for relay in self._relays:
            limit = found.get(LimitKey(LimitKind.RELAY, relay.name), LimitValues())
            rates = [rate for rate in (relay.rate, limit.rate) if rate is not None]
            if rates:
                self._relay_rates[relay.name] = min(rates)
            if limit.connections is not None:
                self._relay_connections[relay.name] = limit.connections
            self._pool.set_limits(relay.name, has_rate=bool(rates), has_connections=limit.connections is not None)

    async def _ask_for_messages(self, hands: Hands) -> None:
        """For what waits and has a rate: take from the shared buckets what can be sent soon."""
        gates = [gate for gate in self._gates.all() if gate.values.rate is not None]
        waiting = hands.waiting_rows() if gates or self._relay_rates else 0
        if not waiting:
            return
        rates: dict[str, float] = {}
        wanted: dict[str, int] = {}
        for health in self._pool.health():
            if health.permits is not None and not health.paused_seconds:
                rate = rates[health.name] = self._relay_rates[health.name]
                wanted[health.name] = min(waiting, _ahead(rate)) - health.permits
        for gate in gates:
            rate = rates[gate.key.bucket] = gate.values.rate or 0.0
            wanted[gate.key.bucket] = min(_demand(gate, hands), _ahead(rate)) - gate.permits
        if not any(count > 0 for count in wanted.values()):
            return
        granted = await self._database.run(budget.take_now, wanted, rates)
        for relay in self._relay_rates:
            if granted.get(relay):
                self._pool.grant(relay, granted[relay])
        for gate in gates:
            gate.permits += granted.get(gate.key.bucket, 0)

    async def _ask_for_slots(self, hands: Hands) -> None:
        """For what has a number of connections: take and give back."""
        waiting = hands.waiting_rows()
        for relay in self._relays:
            if relay.name in self._relay_connections:
                in_use = self._pool.connections_in_use(relay.name)
                key = LimitKey(LimitKind.RELAY, relay.name)
                held = await self._hold(key, relay.connections if waiting or in_use else 0, in_use)
                self._pool.allow_connections(relay.name, held)
        for gate in self._gates.all():
            if gate.values.connections is not None:
                gate.slots = await self._hold(gate.key, gate.inside + _demand(gate, hands), gate.inside)

    async def _hold(self, key: LimitKey, wanted: int, in_use: int) -> int:
        if not wanted and key not in self._holding:
            return 0
        held = await self._database.run(slots.hold, self._owner, key, wanted, in_use)
        if held or wanted:
            self._holding.add(key)
        else:
            self._holding.discard(key)
        return held


def _ahead(rate: float) -> int:
    return 1 + int(rate * AHEAD_SECONDS)


def _demand(gate: Gate, hands: Hands) -> int:
    """How many rows wait for this gate."""
    if gate.key.kind is LimitKind.DOMAIN:
        return sum(len(hand.parked[gate]) for hand in hands.all() if gate in hand.parked)
    return sum(hand.waiting for hand in hands.all() if gate in hand.gates)
