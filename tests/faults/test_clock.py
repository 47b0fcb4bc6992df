"""The server's wall clock jumps, passes a change of summer time, or differs from another node's."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from sendmill.delivery.budget import BUCKET_SECONDS
from sendmill.delivery.policy import JITTER
from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.campaigns import people, people_csv, start_campaign, status, wait_until_completed
from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import SmtpSink
from tests.end_to_end.waiting import wait_for
from tests.faults.accounting import taken_for
from tests.faults.fake_time import WallClock
from tests.faults.scenario import Report, long_only, several_machines, sized

HOUR = 3600.0
CONNECTIONS = 5
#: Those of SENDMILL_RETRY_SECONDS when it isn't set.
RETRY_SECONDS = [60.0, 300.0, 900.0, 3_600.0, 7_200.0]
#: Between the first and the last of those that are deferred together pass some seconds.
MARGIN = 30.0


def test_it_jumps_by_an_hour_and_back(
    new_server: Callable[..., Server], sink: SmtpSink, report: Report, tmp_path: Path
) -> None:
    """Each recipient exactly once; a tenth is deferred once, so that their next attempt is in a future that moves."""
    count = sized(2_400, 20_000)
    sink.jitter_seconds = 0.02
    clock = WallClock(tmp_path)
    server = new_server(f"{sink.url}?connections={CONNECTIONS}", **clock.environment).start()
    client = server.create_client("acme")
    for number in range(0, count, 10):
        sink.reply_to(f"person{number}@example.com", ["451 4.7.1 later"])
    campaign = start_campaign(client, people_csv(count))
    # At last ahead: what was deferred when it was ahead before is due then.
    for share, ahead in ((0.2, HOUR), (0.4, -HOUR), (0.6, 0.0), (0.8, HOUR)):
        wait_for(lambda share=share: len(sink.messages) > share * 0.9 * count, timeout=60)
        clock.set_ahead(ahead)
    report.faults = "+1 h, -2 h, +1 h, +1 h"
    found = report.settle(client, campaign, people(count), sink)
    assert found.dispositions == {"delivered": count}
    for event in ("chunk.recovered", "chunk.lost"):
        assert event not in server.whole_log(), "no lease ended"


@pytest.mark.parametrize(
    ("start_date", "due"),
    [
        # Clocks go from 02:00 EST to 03:00 EDT: 02:30 is skipped, and later by the gap.
        ("2027-03-14 02:30", datetime(2027, 3, 14, 7, 30, tzinfo=UTC)),
        # Clocks go from 02:00 EDT to 01:00 EST: of the two 01:30 it is the first.
        ("2026-11-01 01:30", datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),
        # Just after the change.
        pytest.param("2027-03-14 03:00", datetime(2027, 3, 14, 7, 0, tzinfo=UTC), marks=long_only),
    ],
)
def test_scheduled_at_a_change_of_summer_time(
    new_server: Callable[..., Server], sink: SmtpSink, report: Report, tmp_path: Path, start_date: str, due: datetime
) -> None:
    """Once each, and not before its time; also when the clock is set back an hour while it sends."""
    count = 200
    clock = WallClock(tmp_path)
    clock.set(due - timedelta(hours=2))
    server = new_server(f"{sink.url}?connections={CONNECTIONS}", **clock.environment).start()
    client = server.create_client("acme")
    campaign = start_campaign(
        client, people_csv(count), schedule={"start_date": start_date, "timezone": "America/New_York"}
    )
    clock.set(due - timedelta(seconds=2))
    sink.hold_after(50)
    wait_for(lambda: len(sink.messages) > 50)
    clock.set(due - timedelta(hours=1))
    sink.release()
    report.faults = "change of summer time, -1 h"
    report.settle(client, campaign, people(count), sink)
    # What had begun goes on when the clock is set back: by then it had been due.
    dates = [parsedate_to_datetime(str(message.parse()["Date"])) for message in sink.messages]
    assert min(dates[:50]) >= due


def test_not_before_its_time(new_server: Callable[..., Server], sink: SmtpSink, tmp_path: Path) -> None:
    """02:00 on the day when clocks go back is in EST: who reckons in EDT is an hour early."""
    clock = WallClock(tmp_path)
    due = datetime(2026, 11, 1, 7, 0, tzinfo=UTC)
    clock.set(due - timedelta(hours=1, seconds=-5))
    server = new_server(sink.url, **clock.environment).start()
    client = server.create_client("acme")
    campaign = start_campaign(
        client, people_csv(20), schedule={"start_date": "2026-11-01 02:00", "timezone": "America/New_York"}
    )
    other = at_once(client)
    wait_for(lambda: status(client, other) == "completed")
    assert status(client, campaign) == "active"
    assert len(sink.messages) == 1
    clock.set(due)
    wait_for(lambda: status(client, campaign) == "completed")
    assert sorted(sink.recipients[1:]) == sorted(people(20))


def at_once(client: ApiClient) -> str:
    """A campaign that is due: when it is completed, the scheduler has looked at all others too."""
    return start_campaign(client, b"name,email\nAnna,anna@example.com\n")


@long_only
def test_a_third_is_deferred_for_hours(
    new_server: Callable[..., Server], sink: SmtpSink, report: Report, tmp_path: Path
) -> None:
    """By the default delays, of which a clock that is set ahead takes each at once: no attempt comes before its time,
    all that are due come, and nobody else waits."""
    count = 6_000
    clock = WallClock(tmp_path)
    delays = ",".join(f"{seconds:g}" for seconds in RETRY_SECONDS)
    server = new_server(f"{sink.url}?connections={CONNECTIONS}", SENDMILL_RETRY_SECONDS=delays, **clock.environment)
    client = server.start().create_client("acme")
    expected = people(count, "hours.example")
    deferred = expected[::3]
    for recipient in deferred:
        sink.always_reply("451 4.7.1 later", recipient, stage="RCPT")
    campaign = start_campaign(client, people_csv(count, "hours.example"))
    wait_for(lambda: len(sink.messages) == count - len(deferred), 60)
    ahead = 0.0
    for attempts, seconds in enumerate([*RETRY_SECONDS, RETRY_SECONDS[-1]], start=1):
        wait_for(lambda: next_retry(client, campaign) > time.time() + ahead, 90)  # noqa: B023 - all are recorded
        assert len(sink.refusals) == attempts * len(deferred)
        clock.set_ahead(ahead + seconds * (1 - JITTER) - MARGIN)
        other = at_once(client)
        wait_for(lambda other=other: status(client, other) == "completed")
        assert len(sink.refusals) == attempts * len(deferred), "tried before its time"
        ahead += seconds * (1 + JITTER) + MARGIN
        clock.set_ahead(ahead)
    wait_for(lambda: next_retry(client, campaign) > time.time() + ahead, 90)
    for recipient in deferred:
        sink.always_reply(None, recipient, stage="RCPT")
    clock.set_ahead(ahead + RETRY_SECONDS[-1] * (1 + JITTER) + MARGIN)
    report.faults = f"a third 4xx for {ahead / HOUR:.0f} h, clock set ahead {len(RETRY_SECONDS) + 2} times"
    wait_until_completed(client, campaign)
    found = report.settle(client, campaign, expected, taken_for(sink, "hours.example"))
    assert found.dispositions == {"delivered": count}


def next_retry(client: ApiClient, campaign: str) -> float:
    """When the next deferred recipient is tried again, in seconds since 1970: in the past while any is being tried."""
    told = client.get("/email/campaign/progress/", _id=campaign).expect(200).json["next_retry"]
    return datetime.fromisoformat(told).replace(tzinfo=UTC).timestamp() if told else 0.0


@several_machines
def test_two_nodes_an_hour_apart(
    new_server: Callable[..., Server], sink: SmtpSink, report: Report, tmp_path: Path
) -> None:
    """On one database, for longer than a lease: neither takes the other's chunks."""
    count = sized(4_500, 20_000)
    clock = WallClock(tmp_path, ahead_seconds=HOUR)
    with SmtpSink() as other_sink:
        sink.jitter_seconds = other_sink.jitter_seconds = 0.06
        slow = new_server(f"{sink.url}?connections={CONNECTIONS}", SENDMILL_LEASE_SECONDS="1.5").start()
        settings = {"SENDMILL_LEASE_SECONDS": "1.5", **clock.environment}
        fast = new_server(f"{other_sink.url}?connections={CONNECTIONS}", beside=slow, **settings).start()
        client = slow.create_client("acme")
        campaign = start_campaign(client, people_csv(count))
        report.faults = "clocks 1 h apart"
        report.settle(client, campaign, people(count), sink, other_sink)
        assert sink.messages
        assert other_sink.messages
    for node in (slow, fast):
        assert "chunk.recovered" not in node.whole_log()
        assert "chunk.lost" not in node.whole_log()


@several_machines
def test_a_rate_holds_over_two_nodes_an_hour_apart(
    new_server: Callable[..., Server], sink: SmtpSink, report: Report, tmp_path: Path
) -> None:
    rate = 50
    count = sized(4, 20) * rate
    clock = WallClock(tmp_path, ahead_seconds=HOUR)
    # Chunks of two campaigns, so that each node has one.
    url = f"{sink.url}?connections={CONNECTIONS}&rate={rate}"
    slow = new_server(url, SENDMILL_WORKERS="1").start()
    new_server(url, beside=slow, SENDMILL_WORKERS="1", **clock.environment).start()
    client = slow.create_client("acme")
    campaigns = [start_campaign(client, people_csv(count // 2, domain)) for domain in ("example.com", "example.org")]
    for campaign in campaigns:
        wait_until_completed(client, campaign)
    arrived = [message.arrived for message in sink.messages]
    assert len(arrived) == count
    measured = (len(arrived) - 1 - rate * BUCKET_SECONDS) / (arrived[-1] - arrived[0])
    report.faults, report.note = "clocks 1 h apart", f"{measured:.1f}/s of {rate}/s"
    assert measured <= rate * 1.02
