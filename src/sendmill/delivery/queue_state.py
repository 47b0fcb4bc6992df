"""The queue at a glance: how many wait, for how long, and how late campaigns start.

Costs a look at the chunks that aren't done, one for a thousand recipients, however many results there are. What workers
hold is told as it was when they took it.
"""

from dataclasses import dataclass

from django.db.models import Count, Min

from sendmill.campaigns.models import Campaign, Phase, Status
from sendmill.delivery.chunk_counts import read_stored
from sendmill.delivery.clock import milliseconds
from sendmill.delivery.models import Chunk
from sendmill.delivery.states import DISPOSITIONS, is_final

OPEN_DISPOSITIONS = tuple(
    dict.fromkeys(disposition for state, disposition in DISPOSITIONS.items() if not is_final(state))
)


@dataclass(frozen=True, slots=True)
class QueueState:
    """`open_recipients` is by the campaign's status and the disposition. The seconds are 0 when nothing is late.

    `oldest_due_seconds` is how long the recipient that is due the longest has waited that no worker holds: since its
    retry was due, or since its campaign's start.
    """

    open_recipients: dict[tuple[str, str], int]
    oldest_due_seconds: float
    start_lag_seconds: float
    campaigns: dict[tuple[str, str], int]


def read_queue_state(now: int) -> QueueState:
    """As it is now, in milliseconds since 1970."""
    found: dict[tuple[str, str], int] = {
        (status, disposition): 0 for status in (Status.ACTIVE, Status.PAUSED) for disposition in OPEN_DISPOSITIONS
    }
    undone = Chunk.objects.filter(due_ms__isnull=False)
    kinds = undone.values_list("campaign__status", "counts").annotate(chunks=Count("pk")).order_by()
    for status, counts, chunks in kinds:
        for state, count in read_stored(counts or "{}").items():
            if not is_final(state):
                key = status, DISPOSITIONS[state]
                found[key] = found.get(key, 0) + chunks * count
    due = Chunk.objects.filter(
        campaign__status=Status.ACTIVE, campaign__phase__in=(Phase.EXPANDING, Phase.SENDING), due_ms__lte=now, owner=""
    )
    firsts = due.values_list("campaign__starts_at").annotate(first=Min("due_ms"))
    since = [due_ms or milliseconds(starts_at) for starts_at, due_ms in firsts]
    waiting = Campaign.objects.filter(phase=Phase.WAITING, status=Status.ACTIVE).order_by("starts_at")
    first = waiting.values_list("starts_at", flat=True).first()
    return QueueState(
        open_recipients=found,
        oldest_due_seconds=max(0.0, (now - min(since, default=now)) / 1000),
        start_lag_seconds=max(0.0, (now - milliseconds(first)) / 1000) if first else 0.0,
        campaigns=_campaigns(),
    )


def _campaigns() -> dict[tuple[str, str], int]:
    """Campaigns that aren't closed, by status and phase."""
    found: dict[tuple[str, str], int] = {}
    for status, phase in Campaign.objects.exclude(phase=Phase.CLOSED).values_list("status", "phase"):
        found[status, phase] = found.get((status, phase), 0) + 1
    return found
