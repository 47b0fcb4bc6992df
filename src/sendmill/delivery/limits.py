"""The limits that an operator sets: stored, checked, and read by the workers."""

import math

from sendmill.accounts.clients import find_client
from sendmill.accounts.models import Client
from sendmill.addresses import InvalidAddress, address_key, domain_of, parse_address
from sendmill.delivery.gates import LimitKey, LimitKind, LimitValues
from sendmill.delivery.models import Limit
from sendmill.errors import InvalidField, NotFound

MOST_CONNECTIONS = 100_000
MOST_WEIGHT = 1_000


def load_limits() -> dict[LimitKey, LimitValues]:
    """All of them."""
    rows = Limit.objects.values_list("kind", "name", "rate", "connections", "weight")
    return {
        LimitKey(LimitKind(kind), name): LimitValues(rate, connections, weight)
        for kind, name, rate, connections, weight in rows
    }


def set_limit(key: LimitKey, values: LimitValues) -> None:
    """Set a limit in place of what was there. Raises InvalidField ("rate", "connections" or "weight")."""
    if values.rate is not None and not 0 < values.rate < math.inf:
        raise InvalidField("rate", "must be a number of messages a second above 0.")
    if values.connections is not None and not 1 <= values.connections <= MOST_CONNECTIONS:
        raise InvalidField("connections", f"must be a whole number from 1 to {MOST_CONNECTIONS}.")
    if not 1 <= values.weight <= MOST_WEIGHT:
        raise InvalidField("weight", f"must be a whole number from 1 to {MOST_WEIGHT}.")
    if values.weight != 1 and key.kind is not LimitKind.CLIENT:
        raise InvalidField("weight", "only clients have one.")
    if values == LimitValues():
        raise InvalidField("rate", "give a rate, connections or a weight.")
    Limit.objects.update_or_create(kind=key.kind.value, name=key.name, defaults=values._asdict())


def remove_limit(key: LimitKey) -> None:
    """Delete a limit. Raises NotFound."""
    deleted, _ = Limit.objects.filter(kind=key.kind.value, name=key.name).delete()
    if not deleted:
        raise NotFound(f"There is no limit for {key.kind} {key.name}.")


def client_of(key: LimitKey) -> Client | None:
    """Whose alone the limit is; None for one of the whole installation."""
    return find_client(key.name) if key.kind is LimitKind.CLIENT else None


def limit_key(kind: LimitKind, name: str) -> LimitKey:
    """Whose limit it is, as it is compared. Raises InvalidField("name"), and NotFound for a client."""
    name = name.strip()
    try:
        if kind is LimitKind.SENDER:
            return LimitKey(kind, address_key(parse_address(name)))
        if kind is LimitKind.DOMAIN:
            return LimitKey(kind, domain_of(parse_address(f"a@{name}")))
    except InvalidAddress as error:
        raise InvalidField("name", error.reason) from None
    if kind is LimitKind.CLIENT:
        return LimitKey(kind, find_client(name).object_id)
    if not name or len(name) > 320 or not name.isprintable() or " " in name:
        raise InvalidField("name", "must be a relay as it is named in logs and results: host:port, or outbox.")
    return LimitKey(kind, name if ":" in name or name == "outbox" else f"{name}:25")
