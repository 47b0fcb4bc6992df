"""Connection limits over all workers: each holds a part of a limit's connections, and never more than all of them.

A worker says how many it would like; it gets its fair share, and more where others want less. What another worker still
holds is never given away, so the limit holds at every moment: whoever has too many gives back as its messages end.
Of a worker that has said nothing for `FRESH_MS` the connections are taken to be closed.
"""

from collections.abc import Sequence

from django.db import transaction

from sendmill.delivery.clock import database_ms
from sendmill.delivery.gates import LimitKey
from sendmill.delivery.models import Limit, SlotHolding
from sendmill.delivery.reports import FRESH_MS

# One connection that several want goes round: each has it for so long.
ROUND_MS = 2_000


def hold(owner: str, key: LimitKey, wanted: int, in_use: int) -> int:
    """How many of the limit's connections this worker may use now; never fewer than `in_use`, which it uses."""
    return hold_at(owner, key, wanted, in_use, database_ms())


@transaction.atomic
def hold_at(owner: str, key: LimitKey, wanted: int, in_use: int, now: int) -> int:
    """`hold` at a time of the database's clock, in ms."""
    limit = Limit.objects.select_for_update().filter(kind=key.kind.value, name=key.name).first()
    if limit is None or limit.connections is None:
        return in_use
    limit.holdings.filter(renewed_ms__lt=now - FRESH_MS).exclude(owner=owner).delete()
    others = list(limit.holdings.exclude(owner=owner).order_by("owner"))
    everyone = sorted([(other.owner, other.wanted) for other in others] + [(owner, wanted)])
    shares = fair_shares(limit.connections, [want for _, want in everyone], now // ROUND_MS)
    share = shares[[name for name, _ in everyone].index(owner)]
    free = limit.connections - sum(other.held for other in others)
    held = max(in_use, min(share, free))
    values = {"held": held, "wanted": wanted, "renewed_ms": now}
    if held or wanted:
        SlotHolding.objects.update_or_create(limit=limit, owner=owner, defaults=values)
    else:
        limit.holdings.filter(owner=owner).delete()
    return held


def give_up(owner: str) -> None:
    """This worker has ended, and its connections with it."""
    SlotHolding.objects.filter(owner=owner).delete()


def fair_shares(total: int, wanted: Sequence[int], first: int) -> list[int]:
    """`total` dealt out to those who want some, as evenly as goes, nobody more than they want. Pure.

    What is left over when all have the same goes to the one with number `first` (modulo), and those behind.
    """
    shares = [0] * len(wanted)
    order = [(first + number) % len(wanted) for number in range(len(wanted))]
    while total > 0:
        hungry = [number for number in order if shares[number] < wanted[number]]
        if not hungry:
            break
        each = max(1, min(total // len(hungry), min(wanted[number] - shares[number] for number in hungry)))
        for number in hungry[:total]:
            shares[number] += each
            total -= each
    return shares
