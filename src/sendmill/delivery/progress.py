"""How far a campaign is: its recipients by disposition, how fast it goes, and when it should be done."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection
from django.db.models import Case, Count, F, Sum, TextField, Value, When

from sendmill.campaigns.models import Campaign, Phase, Status
from sendmill.contacts.models import Contact, Layout
from sendmill.contacts.pages import count_contacts
from sendmill.delivery.chunk_counts import count_rows, read_stored
from sendmill.delivery.clock import moment_of
from sendmill.delivery.models import Chunk, Expansion
from sendmill.delivery.reports import Reports
from sendmill.delivery.statements import statement
from sendmill.delivery.states import DISPOSITIONS, State, is_final


@dataclass(frozen=True, slots=True)
class CampaignCounts:
    """A campaign's recipients so far, by state. `next_due_ms` is when the next deferred one is due."""

    by_state: dict[State, int]
    next_due_ms: int | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign is.

    `recipients` is how many there are in all, 0 before its start; `counts` has each of them under one disposition, in
    the order of `DISPOSITIONS`; `complete` of them are final. `rate` is messages a second over the last seconds.
    `expected_end` is when all queued ones will have been tried at that rate, None when nothing is queued or nothing
    moves. `next_retry` is when the next deferred recipient is tried again.
    """

    recipients: int
    counts: dict[str, int]
    complete: int
    rate: float
    expected_end: datetime | None
    next_retry: datetime | None


class Summary(NamedTuple):
    """A campaign in three numbers."""

    recipients: int
    complete: int
    delivered: int


def count_campaign(campaign_id: int) -> CampaignCounts:
    """Count a campaign's recipients. What workers hold is counted row by row, the rest chunk by chunk."""
    by_state: dict[State, int] = {}
    due: list[int] = []
    with connection.cursor() as cursor:
        cursor.execute(statement("campaign_counts"), [campaign_id])
        for chunk_id, known, chunks, due_ms in cursor.fetchall():
            counted = {} if chunk_id else read_stored(known)
            if chunk_id:
                found = count_rows(cursor, chunk_id)
                counted, due_ms = found.by_state, found.next_due_ms
            for state, count in counted.items():
                by_state[state] = by_state.get(state, 0) + chunks * count
            # One with queued recipients alone may have been given back for a while (`claiming`).
            if due_ms and (State.DEFERRED in counted or State.UNCONFIRMED in counted):
                due.append(due_ms)
    return CampaignCounts(by_state, min(due, default=None))


def progress_of(campaign: Campaign, reports: Reports, now: datetime) -> Progress:
    """The campaign's progress; `reports` are what workers say of its rate."""
    found = count_campaign(campaign.pk)
    counts = dict.fromkeys(DISPOSITIONS.values(), 0)
    for state, count in found.by_state.items():
        counts[DISPOSITIONS[state]] += count
    if campaign.phase == Phase.EXPANDING:
        counts["queued"] += max(0, _all_recipients(campaign) - sum(counts.values()))
    goes_on = campaign.status == Status.ACTIVE and campaign.phase != Phase.CLOSED
    rate = reports.rates.get(campaign.pk, 0.0) if goes_on else 0.0
    return Progress(
        recipients=sum(counts.values()),
        counts=counts,
        complete=sum(count for state, count in found.by_state.items() if is_final(state)),
        rate=rate,
        expected_end=now + timedelta(seconds=counts["queued"] / rate) if rate and counts["queued"] else None,
        next_retry=moment_of(found.next_due_ms) if goes_on and found.next_due_ms else None,
    )


def summarise(campaign_ids: Collection[int]) -> dict[int, Summary]:
    """How far each of these campaigns is, from what is kept with their chunks: quick for many large ones.

    Rows that workers hold count as recipients and nothing more.
    """
    found: dict[int, Summary] = {}
    chunks = Chunk.objects.filter(campaign_id__in=campaign_ids)
    known = Case(When(counted_fence=F("fence"), then=F("counts")), default=Value(""), output_field=TextField())
    for campaign_id, counts, rows, number in (
        chunks.annotate(known=known).values_list("campaign_id", "known").annotate(Sum("rows"), Count("pk"))
    ):
        by_state = read_stored(counts) if counts else {}
        recipients = number * sum(by_state.values()) if counts else rows  # rows are 0 when they were deleted for age
        before = found.get(campaign_id, Summary(0, 0, 0))
        complete = sum(count for state, count in by_state.items() if is_final(state))
        found[campaign_id] = Summary(
            before.recipients + recipients,
            before.complete + number * complete,
            before.delivered + number * by_state.get(State.DELIVERED, 0),
        )
    return found


def _all_recipients(campaign: Campaign) -> int:
    """How many recipients a campaign will have that is still being expanded: its contacts can't change meanwhile."""
    expansion = Expansion.objects.filter(campaign=campaign).first()
    done, cursor_id = (expansion.recipients, expansion.cursor) if expansion else (0, 0)
    if campaign.contact_set is not None and campaign.contact_set.layout == Layout.PAGES:
        return count_contacts(campaign.contact_set.pk)
    left = Contact.objects.filter(contact_set_id=campaign.contact_set_id, pk__gt=cursor_id)
    return done + left.count()
