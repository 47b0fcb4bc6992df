"""Pause, cancel and opt-out in the middle: what is acknowledged holds."""

import random
import threading
import time
from collections.abc import Callable

import pytest

from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.campaigns import (
    assert_each_once,
    dispositions,
    people,
    people_csv,
    set_status,
    start_campaign,
    status,
    wait_until_completed,
)
from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import SmtpSink
from tests.end_to_end.waiting import wait_for
from tests.faults.accounting import repeated, result_of
from tests.faults.scenario import IS_LONG, Report, sized

# Three chunks: both workers have one.
PEOPLE = 2_200
CONNECTIONS = 4
WORKERS = 2
# On each connection one message may await its reply and the next one's envelope may be on the wire.
MOST_OPEN = 2 * CONNECTIONS * WORKERS


def in_the_middle(new_server: Callable[..., Server], sink: SmtpSink) -> tuple[Server, ApiClient, str]:
    """A campaign of which 50 messages were answered and every connection has one more."""
    server = new_server(f"{sink.url}?connections={CONNECTIONS}").start()
    client = server.create_client("acme")
    sink.hold_after(50)
    campaign = start_campaign(client, people_csv(PEOPLE))
    wait_for(lambda: len(sink.messages) == 50 + CONNECTIONS * WORKERS)
    return server, client, campaign


def wait_until_quiet(client: ApiClient, campaign: str, sink: SmtpSink) -> None:
    """Until every message that the sink has taken is in the results."""
    wait_for(lambda: dispositions(client, campaign).get("delivered") == len(sink.messages))


def test_a_pause_pauses_and_a_resume_repeats_nobody(new_server: Callable[..., Server], sink: SmtpSink) -> None:
    server, client, campaign = in_the_middle(new_server, sink)
    set_status(client, campaign, "paused")
    sink.release()
    wait_until_quiet(client, campaign, sink)
    assert len(sink.messages) <= 50 + MOST_OPEN
    assert status(client, campaign) == "paused"
    # Also after a restart.
    before = len(sink.messages)
    server.restart()
    wait_for(lambda: server.log().count("worker.started") >= 2 * WORKERS)
    assert len(sink.messages) == before
    set_status(client, campaign, "active")
    wait_until_completed(client, campaign)
    assert_each_once(sink.recipients, people(PEOPLE))


def test_a_cancel_gives_everyone_a_result(new_server: Callable[..., Server], sink: SmtpSink) -> None:
    _, client, campaign = in_the_middle(new_server, sink)
    set_status(client, campaign, "cancelled")
    sink.release()
    wait_for(lambda: set(dispositions(client, campaign)) == {"delivered", "cancelled"})
    found = result_of(client, campaign)
    assert len(found) == PEOPLE
    assert len(sink.messages) <= 50 + MOST_OPEN
    assert {recipient for recipient, word in found.items() if word == "delivered"} == set(sink.recipients)
    assert repeated(sink) == {}
    assert status(client, campaign) == "cancelled"


@pytest.mark.parametrize("new_status", ["active", "paused"])
def test_a_cancelled_campaign_stays_cancelled(
    new_server: Callable[..., Server], sink: SmtpSink, new_status: str
) -> None:
    server = new_server(sink.url).start()
    client = server.create_client("acme")
    campaign = start_campaign(client, people_csv(1), schedule={"start_date": "2099-01-01 00:00"})
    set_status(client, campaign, "cancelled")
    client.put("/email/campaign/", {"status": new_status}, _id=campaign).expect(400)
    set_status(client, campaign, "cancelled")
    assert result_of(client, campaign) == {}


def test_an_opt_out_holds_for_whoever_was_not_on_the_wire(new_server: Callable[..., Server], sink: SmtpSink) -> None:
    _, client, campaign = in_the_middle(new_server, sink)
    begun = {message.recipient for message in sink.messages}
    untouched = [recipient for recipient in people(PEOPLE) if recipient not in begun][-100:]
    for recipient in untouched[:5]:
        client.post("/email/optout/", {"email": recipient.upper()}).expect(201)
    client.post_multipart(
        "/email/optout/bulk/add/", {}, {"csv_file": ("o.csv", "\n".join(["email", *untouched[5:]]).encode())}
    ).expect(200)
    sink.release()
    wait_until_completed(client, campaign)
    assert not set(sink.recipients) & set(untouched)
    assert dispositions(client, campaign) == {"delivered": PEOPLE - 100, "optout": 100}


def test_opted_out_before_the_start_is_final_without_sending(server: Server, sink: SmtpSink) -> None:
    client = server.create_client("acme")
    other = server.create_client("other")
    client.post("/email/optout/", {"email": "Person1@Example.com"}).expect(201)
    other.post("/email/optout/", {"email": "person2@example.com"}).expect(201)
    campaign = start_campaign(client, people_csv(4))
    wait_until_completed(client, campaign)
    assert dispositions(client, campaign) == {"delivered": 3, "optout": 1}
    assert_each_once(sink.recipients, ["person0@example.com", "person2@example.com", "person3@example.com"])


def test_at_full_speed(new_server: Callable[..., Server], sink: SmtpSink, report: Report) -> None:
    """Nothing holds the mail server up: paused, resumed, opted out and paused again while hundreds a second go out."""
    count = sized(4_000, 20_000)
    server = new_server(f"{sink.url}?connections={CONNECTIONS}").start()
    client = server.create_client("acme")
    campaign = start_campaign(client, people_csv(count))
    for share in (0.1, 0.3):
        wait_for(lambda share=share: len(sink.messages) > share * count)
        set_status(client, campaign, "paused")
        at_acknowledgement = len(sink.messages)
        wait_until_quiet(client, campaign, sink)
        assert len(sink.messages) <= at_acknowledgement + MOST_OPEN
        set_status(client, campaign, "active")
    wait_for(lambda: len(sink.messages) > 0.4 * count)
    opted_out = random.sample(people(count), count // 5)
    csv = "\n".join(["email", *opted_out]).encode()
    client.post_multipart("/email/optout/bulk/add/", {}, {"csv_file": ("o.csv", csv)}).expect(200)
    acknowledged = time.monotonic()
    report.faults = "2 pauses, opt-outs"
    found = report.settle(client, campaign, people(count), sink)
    late = [message for message in sink.messages if message.arrived > acknowledged + 1]
    assert not {message.recipient for message in late} & set(opted_out)
    assert set(found.dispositions) == {"delivered", "optout"}


def test_at_a_slow_rate(new_server: Callable[..., Server], sink: SmtpSink, report: Report) -> None:
    """Ten a minute in the long run: what waits for its permit is paused and opted out too."""
    seconds_a_message = 6.0 if IS_LONG else 0.5
    server = new_server(f"{sink.url}?connections={CONNECTIONS}&rate={1 / seconds_a_message}").start()
    client = server.create_client("acme")
    campaign = start_campaign(client, people_csv(20))
    sink.wait_for_messages(2)
    set_status(client, campaign, "paused")
    at_acknowledgement = len(sink.messages)
    threading.Event().wait(3 * seconds_a_message)
    assert len(sink.messages) <= at_acknowledgement + 1
    set_status(client, campaign, "active")
    left = [recipient for recipient in people(20) if recipient not in sink.recipients]
    for recipient in left[:-3]:
        client.post("/email/optout/", {"email": recipient}).expect(201)
    acknowledged = time.monotonic()
    report.faults = "a pause, opt-outs"
    report.settle(client, campaign, people(20), sink)
    late = [message.recipient for message in sink.messages if message.arrived > acknowledged + 1]
    assert not set(late) & set(left[:-3])
