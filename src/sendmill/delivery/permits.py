"""What the limits allow, fetched from the database for this process: messages by rate, and connections.

Rates are token buckets that all processes draw from (`budget`), connections are parts of a whole that each holds
(`slots`). Relays and gates get what they can use soon, no more: what lies unused in one process is missing in another.
"""

import math
import random
from collections.abc import Collection, Mapping, Sequence

from sendmill.delivery import budget, limits, slots
from sendmill.delivery.clock import steady_seconds
from sendmill.delivery.database_thread import DatabaseThread
from sendmill.delivery.gates import Gate, Gates, LimitKey, LimitKind, LimitValues
from sendmill.delivery.hands import Hands
from sendmill.delivery.relay_pool import RelayPool
from sendmill.delivery.relays import Relay
from sendmill.delivery.routes import leads_to

LIMITS_SECONDS = 1.0
SLOTS_SECONDS = 0.25
# A bucket saves up no more than 0.15 s of its rate: whoever waits for one comes again before that. Of two processes in
# step the same one would find it emptied again and again, so the pauses differ.
SHORTEST_PAUSE, LONGEST_PAUSE = 0.04, 0.07
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
        self._bucket_after: dict[str, float] = {}
        self._visit_at = math.inf
        self._set_relay_limits({})

    def seconds_to_visit(self) -> float:
        """How soon a bucket may have something for what waits; infinity if nothing waits for any."""
        return max(0.0, self._visit_at - steady_seconds())

    async def refresh(self, hands: Hands) -> None:
        """Fetch what is due to be fetched: limits that have changed, connections, and messages for what waits."""
        now = steady_seconds()
        if now >= self._limits_after:
            self._limits_after = now + LIMITS_SECONDS
            found = await self._database.run(limits.load_limits)
            if self._gates.set_limits(found):
                self._set_relay_limits(found)
                self._bucket_after.clear()
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
        """For what has a rate: take from the shared buckets what can be sent soon, and give back what can't."""
        wanted = self._wanted(hands)
        now = steady_seconds()
        due = {
            bucket: count
            for bucket, (count, _) in wanted.items()
            if count < 0 or self._bucket_after.get(bucket, 0.0) <= now
        }
        if due:
            rates = {bucket: rate for bucket, (_, rate) in wanted.items()}
            granted = await self._database.run(budget.take_now, due, rates)
            pause = random.uniform(SHORTEST_PAUSE, LONGEST_PAUSE)  # noqa: S311  # no secret
            for bucket, grant in granted.items():
                self._bucket_after[bucket] = now + max(pause, grant.seconds)
            for relay in self._relay_rates:
                if relay in granted:
                    self._pool.grant(relay, granted[relay].messages)
            for gate in self._gates.all():
                if gate.key.bucket in granted:
                    gate.permits += granted[gate.key.bucket].messages
        waits_for = [self._bucket_after[bucket] for bucket, (count, _) in wanted.items() if count > 0]
        self._visit_at = min(waits_for, default=math.inf)

    def _wanted(self, hands: Hands) -> dict[str, tuple[int, float]]:
        """Of each bucket how many more messages can be sent soon, negative for what lies here unused, and its rate."""
        wanted: dict[str, tuple[int, float]] = {}
        gates = [gate for gate in self._gates.all() if gate.values.rate is not None]
        for gate in gates:
            rate = gate.values.rate or 0.0
            wanted[gate.key.bucket] = min(_demand(gate, hands), _ahead(rate)) - gate.permits, rate
        if self._relay_rates:
            may_pass = {gate: gate.permits + wanted[gate.key.bucket][0] for gate in gates}
            health = self._pool.health()
            up = {relay.name for relay in health if not relay.paused_seconds}
            for relay in health:
                if relay.permits is not None:
                    rate = self._relay_rates[relay.name]
                    going = _going_to(relay.name, up, hands, may_pass)
                    wanted[relay.name] = min(going, _ahead(rate)) - relay.permits, rate
        return {bucket: (count, rate) for bucket, (count, rate) in wanted.items() if count}

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


def _going_to(relay: str, up: Collection[str], hands: Hands, may_pass: Mapping[Gate, int]) -> int:
    """How many rows that wait may go to the relay, if their gates let through `may_pass`."""
    by_gates: dict[tuple[Gate, ...], int] = {}
    for hand in hands.all():
        if leads_to(hand.message.route, relay, up):
            parked = sum(min(len(rows), may_pass.get(gate, len(rows))) for gate, rows in hand.parked.items())
            by_gates[hand.gates] = by_gates.get(hand.gates, 0) + len(hand.rows) + parked
    return sum(min([rows, *(may_pass.get(gate, rows) for gate in gates)]) for gates, rows in by_gates.items())


def _demand(gate: Gate, hands: Hands) -> int:
    """How many rows wait for this gate."""
    if gate.key.kind is LimitKind.DOMAIN:
        return sum(len(hand.parked[gate]) for hand in hands.all() if gate in hand.parked)
    return sum(hand.waiting for hand in hands.all() if gate in hand.gates)
