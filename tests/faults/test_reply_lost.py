"""The connection is cut after the final dot: the message arrived, and the sender cannot know it."""

from collections.abc import Callable

import pytest

from tests.end_to_end.campaigns import people, people_csv, results, start_campaign, wait_until_completed
from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import CUT, SmtpSink
from tests.end_to_end.waiting import wait_for
from tests.faults.accounting import assert_nobody_lost, repeated, result_of
from tests.faults.scenario import Report, long_only, sized

UNLUCKY = "person3@example.com"


def test_resend_repeats_that_message_alone(new_server: Callable[..., Server], sink: SmtpSink) -> None:
    server = new_server(sink.url).start()
    client = server.create_client("acme")
    sink.reply_to(UNLUCKY, [CUT], stage="DATA")
    campaign = start_campaign(client, people_csv(20))
    wait_until_completed(client, campaign)
    assert_nobody_lost(sink, people(20))
    assert repeated(sink) == {UNLUCKY: 1}
    assert set(result_of(client, campaign).values()) == {"delivered"}


def test_until_it_is_sent_again_it_is_unconfirmed_and_pending(
    new_server: Callable[..., Server], sink: SmtpSink
) -> None:
    server = new_server(sink.url, SENDMILL_RETRY_SECONDS="600").start()
    client = server.create_client("acme")
    sink.reply_to(UNLUCKY, [CUT] * 5, stage="DATA")
    campaign = start_campaign(client, people_csv(5))
    wait_for(lambda: result_of(client, campaign).get(UNLUCKY) == "unconfirmed")
    [result] = [result for result in results(client, campaign) if result["email_to"] == UNLUCKY]
    assert (result["status"], result["complete"]) == ("pending", False)


def test_hold_never_repeats_and_says_so(new_server: Callable[..., Server], sink: SmtpSink) -> None:
    server = new_server(sink.url, SENDMILL_IN_DOUBT="hold").start()
    client = server.create_client("acme")
    sink.reply_to(UNLUCKY, [CUT], stage="DATA")
    campaign = start_campaign(client, people_csv(20))
    wait_until_completed(client, campaign)
    assert repeated(sink) == {}
    [result] = [result for result in results(client, campaign) if result["email_to"] == UNLUCKY]
    assert (result["disposition"], result["status"], result["complete"]) == ("unconfirmed", "completed", True)


def test_reply_lost_at_many(new_server: Callable[..., Server], sink: SmtpSink, report: Report) -> None:
    """Every tenth message is taken and its connection cut before the reply; every thirtieth one twice."""
    count = sized(600, 6_000)
    server = new_server(f"{sink.url}?connections=5").start()
    client = server.create_client("acme")
    for number in range(0, count, 10):
        sink.reply_to(f"person{number}@example.com", [CUT] * (2 if number % 30 == 0 else 1), stage="DATA")
    cuts = sum(2 if number % 30 == 0 else 1 for number in range(0, count, 10))
    campaign = start_campaign(client, people_csv(count))
    report.faults = f"{cuts} replies cut off"
    found = report.settle(client, campaign, people(count), sink, most_repeats=cuts, within=120)
    assert found.repeats == cuts, "each is sent again until it has a reply"
    assert found.dispositions == {"delivered": count}


@pytest.mark.parametrize("in_doubt", [pytest.param("resend", marks=long_only), "hold"])
def test_reply_never_comes_and_the_server_is_stopped(
    new_server: Callable[..., Server], sink: SmtpSink, report: Report, in_doubt: str
) -> None:
    """A mail server that takes messages and stays silent, until the process that waits for it is killed."""
    server = new_server(f"{sink.url}?connections=3", SENDMILL_IN_DOUBT=in_doubt, SENDMILL_WORKERS="1").start()
    client = server.create_client("acme")
    sink.hold_after(10)
    campaign = start_campaign(client, people_csv(200))
    wait_for(lambda: len(sink.messages) == 13)
    server.kill_one_worker()
    wait_for(lambda: len(sink.interruptions) == 3)
    sink.release()
    report.faults = "3 replies never sent"
    found = report.settle(client, campaign, people(200), sink, most_repeats=3 if in_doubt == "resend" else 0)
    assert len(found.unconfirmed) == (0 if in_doubt == "resend" else 3)


@long_only
def test_reply_never_comes_and_the_wait_ends(new_server: Callable[..., Server], sink: SmtpSink, report: Report) -> None:
    """RFC 5321 4.5.3.2.6: ten minutes are waited for the reply to the final dot. Then the message is in doubt."""
    server = new_server(f"{sink.url}?connections=3", SENDMILL_WORKERS="1").start()
    client = server.create_client("acme")
    sink.hold_after(10)
    campaign = start_campaign(client, people_csv(30))
    wait_for(lambda: len(sink.interruptions) == 3, timeout=660)
    assert all(interruption.at - sink.messages[-1].arrived > 595 for interruption in sink.interruptions)
    sink.release()
    report.faults = "3 replies never sent"
    found = report.settle(client, campaign, people(30), sink, most_repeats=len(sink.interruptions))
    assert found.dispositions == {"delivered": 30}
