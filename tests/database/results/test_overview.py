"""The overview: what runs, what is next, what stands out, and the days of the chart, for one client alone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from sendmill.accounts.models import Client
from sendmill.campaigns.models import Campaign, Phase, Status
from sendmill.delivery.chunk_counts import free_chunk
from sendmill.delivery.models import Chunk, Delivery
from sendmill.delivery.reports import RelayStatus, Reports
from sendmill.delivery.states import State
from sendmill.results.overview import DAYS, FEWEST_TO_JUDGE, overview_of

NOW = datetime(2026, 11, 25, 22, 30, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
NOTHING = Reports(1, [], {})

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return Client.objects.create(name="acme")


def campaign(client: Client, name: str, starts_at: datetime, states: dict[State, int], **fields: object) -> Campaign:
    """A campaign with so many recipients in each state."""
    made = Campaign.objects.create(
        client=client, name=name, created_on=NOW, modified_on=NOW, starts_at=starts_at, expires_at=NOW,
        timezone="UTC", **({"phase": Phase.CLOSED, "status": Status.COMPLETED} | fields),
    )  # fmt: skip
    chunk = Chunk.objects.create(campaign=made, rows=sum(states.values()))
    numbers = [state for state, count in states.items() for _ in range(count)]
    Delivery.objects.bulk_create(
        Delivery(id=(chunk.pk << 10) + place, email=f"p{place}@example.com", name="", fields="{}", state=state,
                 start_ms=0, modified_ms=0)
        for place, state in enumerate(numbers)
    )  # fmt: skip
    with connection.cursor() as cursor:
        free_chunk(cursor, chunk.pk)
    return made


def test_days_are_the_viewers_and_each_is_there(client: Client) -> None:
    campaign(client, "late", datetime(2026, 11, 24, 23, 30, tzinfo=UTC), {State.DELIVERED: 3, State.FAILED: 1})
    campaign(client, "too old", NOW - timedelta(days=DAYS, hours=2), {State.DELIVERED: 7})
    campaign(Client.objects.create(name="other"), "theirs", NOW, {State.DELIVERED: 9})

    in_berlin = overview_of(client, NOTHING, NOW, BERLIN).days
    assert list(in_berlin)[-1] == date(2026, 11, 25)
    assert len(in_berlin) == DAYS
    assert (in_berlin[date(2026, 11, 25)]["delivered"], in_berlin[date(2026, 11, 25)]["failed"]) == (3, 1)
    in_utc = overview_of(client, NOTHING, NOW, ZoneInfo("UTC")).days
    assert in_utc[date(2026, 11, 24)]["delivered"] == 3
    assert sum(sum(day.values()) for day in in_utc.values()) == 4


def test_what_runs_and_what_is_next(client: Client) -> None:
    long_ago = NOW - timedelta(days=90)
    campaign(client, "old and running", long_ago, {State.QUEUED: 1}, phase=Phase.SENDING, status=Status.ACTIVE)
    campaign(client, "paused", NOW, {State.QUEUED: 1}, phase=Phase.SENDING, status=Status.PAUSED)
    campaign(client, "paused before its start", NOW + timedelta(days=1), {}, phase=Phase.WAITING, status=Status.PAUSED)
    for hours in (2, 1):
        waiting = {"phase": Phase.WAITING, "status": Status.ACTIVE}
        campaign(client, f"in {hours} h", NOW + timedelta(hours=hours), {}, **waiting)
    found = overview_of(client, NOTHING, NOW, BERLIN)

    assert [state.campaign.name for state in found.running] == ["old and running"]
    assert [one.name for one in found.paused] == ["paused", "paused before its start"]
    assert [one.name for one in found.following] == ["in 1 h", "in 2 h"]


def test_what_stands_out(client: Client) -> None:
    campaign(client, "good", NOW, {State.DELIVERED: 99, State.FAILED: 1})
    campaign(client, "bad", NOW, {State.DELIVERED: 90, State.FAILED: 5, State.BOUNCED: 5})
    campaign(client, "few", NOW, {State.FAILED: FEWEST_TO_JUDGE - 1})
    campaign(client, "lost", NOW, {State.UNCONFIRMED_HELD: 2})
    up, down = RelayStatus("a:25", "up", None, None, 1, 0), RelayStatus("b:25", "down", 9.0, "refused", 0, 0)
    named = RelayStatus("c:25", "down", 9.0, "refused", 0, 0, clients=("57bb010e2cd5264797b017e5",))
    found = overview_of(client, Reports(2, [up, down, named], {}), NOW, BERLIN)

    assert [state.campaign.name for state in found.failing] == ["bad"]
    assert [state.campaign.name for state in found.unconfirmed] == ["lost"]
    assert [relay.name for relay in found.relays] == ["b:25"]
    assert found.needs_attention
    assert not overview_of(Client.objects.create(name="new"), NOTHING, NOW, BERLIN).needs_attention
    assert overview_of(Client.objects.create(name="new"), Reports(0, [], {}), NOW, BERLIN).needs_attention
