"""The connection is cut after the final dot: the message arrived, and the sender cannot know it."""

from collections.abc import Callable

from tests.end_to_end.campaigns import people, people_csv, results, start_campaign, wait_until_completed
from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import CUT, SmtpSink
from tests.end_to_end.waiting import wait_for
from tests.faults.accounting import assert_nobody_lost, repeated, result_of

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
