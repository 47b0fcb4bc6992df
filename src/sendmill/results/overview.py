"""What is going on in a client: what runs, what is next, what somebody should look at, and what was sent by day.

All of it comes from the counts that chunks keep, so that a million recipients cost a thousand small rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sendmill.accounts.models import Client
from sendmill.addresses import address_key
from sendmill.campaigns.models import Campaign, Phase, Status
from sendmill.delivery.progress import Progress, progress_of
from sendmill.delivery.reports import RelayStatus, Reports
from sendmill.senders.models import Sender

DAYS = 30
MOST_CAMPAIGNS = 200
"""Of the last days: a client with more of them sees the newest."""
MOST_NEXT = 5
MOST_PAUSED = 5
FAILURES_STAND_OUT = 0.05
FEWEST_TO_JUDGE = 20
SENT = ("delivered", "deferred", "unconfirmed", "bounced", "failed", "invalid", "optout")
"""What the chart shows: recipients that were to get something, but those that still wait, and cancelled ones."""
_FAILURES = ("bounced", "failed", "invalid")


@dataclass(frozen=True, slots=True)
class CampaignState:
    """A campaign and how far it is."""

    campaign: Campaign
    progress: Progress

    @property
    def failure_share(self) -> float:
        """Failed ones among the recipients that are final."""
        failed = sum(self.progress.counts[disposition] for disposition in _FAILURES)
        return failed / self.progress.complete if self.progress.complete else 0.0


@dataclass(frozen=True, slots=True)
class Overview:
    """`days` has the last `DAYS` days, each with its counts by disposition (see `SENT`)."""

    running: Sequence[CampaignState]
    following: Sequence[Campaign]
    unconfirmed: Sequence[CampaignState]
    failing: Sequence[CampaignState]
    paused: Sequence[Campaign]
    relays: Sequence[RelayStatus]
    workers: int
    days: Mapping[date, Mapping[str, int]]

    @property
    def needs_attention(self) -> bool:
        return bool(self.unconfirmed or self.failing or self.paused or self.relays or not self.workers)


def overview_of(client: Client, reports: Reports, now: datetime, zone: ZoneInfo) -> Overview:
    """The client's overview; days are those of `zone`."""
    campaigns = Campaign.objects.filter(client=client).defer("frozen_body", "frozen_subject")
    since = now - timedelta(days=DAYS)
    begun = campaigns.exclude(phase=Phase.WAITING)
    found = {campaign.pk: campaign for campaign in begun.filter(starts_at__gte=since).order_by("-pk")[:MOST_CAMPAIGNS]}
    # One that began earlier may run still.
    found |= {campaign.pk: campaign for campaign in begun.exclude(phase=Phase.CLOSED).order_by("-pk")[:MOST_CAMPAIGNS]}
    states = [CampaignState(campaign, progress_of(campaign, reports, now)) for _, campaign in sorted(found.items())]
    waiting = campaigns.filter(phase=Phase.WAITING, status=Status.ACTIVE).order_by("starts_at", "pk")
    paused = campaigns.filter(status=Status.PAUSED).order_by("starts_at", "pk")
    unfinished = [state for state in states if state.campaign.phase != Phase.CLOSED]
    return Overview(
        running=[state for state in unfinished if state.campaign.status == Status.ACTIVE],
        following=list(waiting[:MOST_NEXT]),
        unconfirmed=[state for state in states if state.progress.counts["unconfirmed"]],
        failing=[state for state in states if stands_out(state)],
        paused=list(paused[:MOST_PAUSED]),
        relays=_relays_in_trouble(client, reports),
        workers=reports.workers,
        days=by_day(states, now.astimezone(zone).date(), zone),
    )


def stands_out(state: CampaignState) -> bool:
    """Whether so many recipients failed that somebody should look."""
    return state.progress.complete >= FEWEST_TO_JUDGE and state.failure_share > FAILURES_STAND_OUT


def by_day(states: Iterable[CampaignState], today: date, zone: ZoneInfo) -> dict[date, dict[str, int]]:
    """Recipients by the day on which their campaign began, and by disposition; days without any are there too."""
    days = {today - timedelta(days=ago): dict.fromkeys(SENT, 0) for ago in reversed(range(DAYS))}
    for state in states:
        day = days.get(state.campaign.starts_at.astimezone(zone).date())
        if day is not None:
            for disposition in SENT:
                day[disposition] += state.progress.counts[disposition]
    return days


def _relays_in_trouble(client: Client, reports: Reports) -> list[RelayStatus]:
    """Relays that take the client's mail and are not up."""
    senders = [address_key(email) for email in Sender.objects.filter(client=client).values_list("email", flat=True)]
    return [
        relay
        for relay in reports.relays
        if relay.state != "up" and any(relay.takes(sender, client.object_id) for sender in senders or [""])
    ]
