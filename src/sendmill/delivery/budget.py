"""Rates: a token bucket for each relay with a `rate`, in the database, so that it holds over all workers."""

from collections.abc import Mapping

from django.db import transaction

from sendmill.delivery.clock import database_ms
from sendmill.delivery.models import RelayBudget

# A bucket holds this many seconds of its rate and one message: more would let a quiet relay burst, less would
# lose tokens between two visits of the workers.
BUCKET_SECONDS = 0.25


def take_now(wanted: Mapping[str, int], rates: Mapping[str, float]) -> dict[str, int]:
    """`take` by the database's clock: two machines whose clocks differ must not refill a bucket twice."""
    return take(wanted, rates, database_ms()) if wanted else {}


def take(wanted: Mapping[str, int], rates: Mapping[str, float], now: int) -> dict[str, int]:
    """Take up to `wanted` messages for each relay name from its bucket: name → how many may be sent now.

    `rates` are messages a second. `now` is in ms.
    """
    return {relay: _take(relay, rates[relay], count, now) for relay, count in wanted.items() if count > 0}


def _take(relay: str, rate: float, wanted: int, now: int) -> int:
    RelayBudget.objects.get_or_create(relay=relay, defaults={"tokens": 0.0, "refilled_ms": now})
    with transaction.atomic():
        budget = RelayBudget.objects.select_for_update().get(relay=relay)
        # A clock that goes back must not take tokens away, nor one that goes forward and back give them twice.
        elapsed = max(0, now - budget.refilled_ms) / 1000
        capacity = 1.0 + rate * BUCKET_SECONDS
        tokens = min(capacity, budget.tokens + elapsed * rate)
        granted = min(int(tokens), wanted)
        budget.tokens = tokens - granted
        budget.refilled_ms = now if elapsed or now < budget.refilled_ms - 1000 else budget.refilled_ms
        budget.save(update_fields=["tokens", "refilled_ms"])
    return granted
