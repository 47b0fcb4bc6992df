"""`sendmill limit …`: how much may be sent, by relay, sender, client and recipient domain."""

import json

from django.db import transaction

from sendmill.accounts.models import Kind
from sendmill.commands.audit import record
from sendmill.commands.preconditions import require_current_schema
from sendmill.delivery import limits
from sendmill.delivery.gates import LimitKey, LimitKind, LimitValues


def set_limit(kind: str, name: str, rate: float | None, connections: int | None, weight: int) -> int:
    """Set a limit; running workers follow it within a second or two."""
    require_current_schema()
    key = limits.limit_key(LimitKind(kind), name)
    values = LimitValues(rate, connections, weight)
    with transaction.atomic():
        limits.set_limit(key, values)
        record(limits.client_of(key), Kind.SETTINGS, "set a limit", _line(key, values))
    print(_line(key, values))
    return 0


def show_all(as_json: bool) -> int:
    """Print every limit."""
    require_current_schema()
    found = sorted(limits.load_limits().items())
    if as_json:
        print(json.dumps([{"kind": key.kind, "name": key.name, **values._asdict()} for key, values in found]))
    elif not found:
        print("There are no limits but those of SENDMILL_SMTP_URL; `sendmill limit set` makes one.")
    else:
        print("\n".join(_line(key, values) for key, values in found))
    return 0


def remove(kind: str, name: str) -> int:
    """Delete a limit."""
    require_current_schema()
    key = limits.limit_key(LimitKind(kind), name)
    with transaction.atomic():
        limits.remove_limit(key)
        record(limits.client_of(key), Kind.SETTINGS, "removed a limit", f"{key.kind} {key.name}")
    print(f"{key.kind} {key.name} has no limit any more.")
    return 0


def _line(key: LimitKey, values: LimitValues) -> str:
    parts = [
        f"{values.rate:g} messages/s" if values.rate is not None else "",
        f"{values.connections} connections" if values.connections is not None else "",
        f"weight {values.weight}" if values.weight != 1 else "",
    ]
    return f"{key.kind} {key.name}: {', '.join(filter(None, parts))}"
