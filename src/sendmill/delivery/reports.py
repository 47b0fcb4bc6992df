"""What worker processes say of themselves: how their relays are, and how fast each campaign goes.

Each process writes one row about once a second while there is something to say. Its time is the database's, which all
nodes share.
"""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import orjson
from django.db.models import QuerySet

from sendmill.delivery.clock import database_ms
from sendmill.delivery.models import WorkerReport
from sendmill.delivery.routes import names_campaign
from sendmill.delivery.transmission import RelayHealth

REPORT_SECONDS = 1.0
IDLE_REPORT_SECONDS = 5.0
FRESH_MS = 15_000
"""A process that has said nothing for so long is taken to be gone."""
KEPT_MS = 3_600_000
RATE_SECONDS = 5.0

_ADDRESS = re.compile(r"\S+@\S+")


class RateWindow:
    """Messages a second, by campaign, over the last `RATE_SECONDS`. Moments are of a steady clock."""

    def __init__(self, begun: float) -> None:
        self._counted: deque[tuple[float, Mapping[int, int]]] = deque()
        self._begins = begun

    def add(self, moment: float, counts: Mapping[int, int]) -> None:
        """What was sent since the last call."""
        self._counted.append((moment, counts))
        while self._counted[0][0] <= moment - RATE_SECONDS:
            self._begins = self._counted.popleft()[0]

    def rates(self) -> dict[int, float]:
        """By campaign; those of which nothing was sent are not there."""
        totals: dict[int, int] = {}
        for _, counts in self._counted:
            for campaign_id, count in counts.items():
                totals[campaign_id] = totals.get(campaign_id, 0) + count
        seconds = self._counted[-1][0] - self._begins if self._counted else 0.0
        return {campaign_id: count / seconds for campaign_id, count in totals.items()} if seconds > 0 else {}


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """A relay over all worker processes that report.

    `state` is `up`, `down` when no process can use it, or `impaired` when some can't. `retry_seconds` is when the next
    process tries again, None when it is up. `last_error` stays after recovery; addresses in it are left out, for all
    clients whose mail the relay takes may see it, and it may be about one's recipients. (The log has all of it.)
    `senders` and `clients` are whose mail it takes; none of either for anybody's.
    """

    name: str
    state: str
    retry_seconds: float | None
    last_error: str | None
    open_connections: int
    in_hand: int
    senders: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()

    def takes(self, sender: str, client_object_id: str) -> bool:
        """Whether it takes a campaign's mail; `sender` as `address_key` gives it."""
        takes_anybody = not self.senders and not self.clients
        return takes_anybody or names_campaign(self.senders, self.clients, sender, client_object_id)


@dataclass(frozen=True, slots=True)
class Reports:
    """What all processes that live have said: how many they are, their relays, messages a second by campaign."""

    workers: int
    relays: list[RelayStatus]
    rates: dict[int, float]


def write_report(owner: str, relays: Sequence[RelayHealth], rates: Mapping[int, float]) -> None:
    """What this process has to say now, in place of what it said before."""
    said = {
        "reported_ms": database_ms(),
        "relays": orjson.dumps([asdict(health) for health in relays]).decode(),
        "rates": orjson.dumps({str(campaign): rate for campaign, rate in rates.items()}).decode(),
    }
    WorkerReport.objects.update_or_create(owner=owner, defaults=said)


def delete_report(owner: str) -> None:
    """This process has ended."""
    WorkerReport.objects.filter(owner=owner).delete()


def old_reports(now: int) -> QuerySet[WorkerReport]:
    """Those of processes that died an hour ago. `now` is by the database's clock."""
    return WorkerReport.objects.filter(reported_ms__lt=now - KEPT_MS)


def delete_old_reports(now: int) -> None:
    """Delete them."""
    old_reports(now).delete()


def read_reports() -> Reports:
    """What the processes that live have said last."""
    fresh = WorkerReport.objects.filter(reported_ms__gte=database_ms() - FRESH_MS).order_by("owner")
    found = list(fresh.values_list("relays", "rates"))
    by_relay: dict[str, list[RelayHealth]] = {}
    rates: dict[int, float] = {}
    for relays_text, rates_text in found:
        for health in orjson.loads(relays_text):
            by_relay.setdefault(health["name"], []).append(RelayHealth(**health))
        for campaign, rate in orjson.loads(rates_text).items():
            rates[int(campaign)] = rates.get(int(campaign), 0.0) + rate
    return Reports(len(found), [_status(name, seen) for name, seen in by_relay.items()], rates)


def _status(name: str, seen: Sequence[RelayHealth]) -> RelayStatus:
    pauses = [health.paused_seconds for health in seen if health.paused_seconds]
    state = "up" if not pauses else "down" if len(pauses) == len(seen) else "impaired"
    errors = [health.last_error for health in seen if health.last_error]
    return RelayStatus(
        name=name,
        state=state,
        retry_seconds=min(pauses, default=None),
        last_error=_ADDRESS.sub("(address)", errors[-1]) if errors else None,
        open_connections=sum(health.open_connections for health in seen),
        in_hand=sum(health.in_hand for health in seen),
        senders=tuple(seen[-1].senders),
        clients=tuple(seen[-1].clients),
    )
