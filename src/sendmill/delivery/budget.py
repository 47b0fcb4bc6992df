"""Rates: a token bucket for each, in the database, so that it holds over all workers."""

from collections.abc import Mapping
from typing import NamedTuple

from django.db import transaction

from sendmill.delivery.clock import database_ms
from sendmill.delivery.models import TokenBucket

# A bucket holds this many seconds of its rate and one message. What it has saved up while nobody came goes out at once
# and on top of the rate: in ten seconds that is 1.5 % more, of the 2 % that a limit may be missed by. With less, tokens
# would be lost between two visits of the workers.
BUCKET_SECONDS = 0.15


class Grant(NamedTuple):
    """What a bucket gave: so many messages may be sent now, or were taken back where the number is negative.

    After `seconds` it has the next, if nobody takes it.
    """

    messages: int
    seconds: float


def take_now(wanted: Mapping[str, int], rates: Mapping[str, float]) -> dict[str, Grant]:
    """`take` by the database's clock: two machines whose clocks differ must not refill a bucket twice."""
    return take(wanted, rates, database_ms()) if wanted else {}


def take(wanted: Mapping[str, int], rates: Mapping[str, float], now: int) -> dict[str, Grant]:
    """Take up to `wanted` messages from each bucket, or give back where that is negative: its key → what it gave.

    `rates` are messages a second. `now` is in ms.
    """
    keys = sorted(key for key, count in wanted.items() if count)
    if not keys:
        return {}
    known = set(TokenBucket.objects.filter(key__in=keys).values_list("key", flat=True))
    for key in keys:
        if key not in known:
            TokenBucket.objects.get_or_create(key=key, defaults={"tokens": 0.0, "refilled_ms": now})
    with transaction.atomic():
        # In the order of their keys: two workers must not wait for each other's second.
        buckets = TokenBucket.objects.select_for_update().filter(key__in=keys).order_by("key")
        return {bucket.key: _take(bucket, rates[bucket.key], wanted[bucket.key], now) for bucket in buckets}


def _take(bucket: TokenBucket, rate: float, wanted: int, now: int) -> Grant:
    # A clock that goes back must not take tokens away, nor one that goes forward and back give them twice.
    elapsed = max(0, now - bucket.refilled_ms) / 1000
    capacity = 1.0 + rate * BUCKET_SECONDS
    tokens = min(capacity, bucket.tokens + elapsed * rate)
    granted = min(int(tokens), wanted)
    bucket.tokens = tokens - granted  # what is given back counts up to the capacity when it is taken
    bucket.refilled_ms = now if elapsed or now < bucket.refilled_ms - 1000 else bucket.refilled_ms
    bucket.save(update_fields=["tokens", "refilled_ms"])
    return Grant(granted, max(0.0, 1.0 - bucket.tokens) / rate)
