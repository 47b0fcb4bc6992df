"""A mail server that defers, refuses, is down, or goes down."""

from collections.abc import Callable

from tests.end_to_end.campaigns import (
    assert_each_once,
    dispositions,
    people,
    people_csv,
    start_campaign,
    status,
    wait_until_completed,
)
from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import SmtpSink
from tests.end_to_end.waiting import wait_for
from tests.faults.accounting import assert_nobody_lost, repeated, result_of
from tests.faults.scenario import about_mail_servers


def test_a_4xx_is_a_delay_of_that_recipient(server: Server, sink: SmtpSink) -> None:
    client = server.create_client("acme")
    sink.reply_to("person1@example.com", ["451 4.7.1 greylisted, come back later"])
    sink.reply_to("person2@example.com", ["452 4.2.2 mailbox full"], stage="DATA")
    campaign = start_campaign(client, people_csv(10))
    wait_until_completed(client, campaign)
    assert_each_once(sink.recipients, people(10))
    assert [refusal.recipient for refusal in sink.refusals] == ["person1@example.com", "person2@example.com"]
    assert dispositions(client, campaign) == {"delivered": 10}


def test_a_deferred_recipient_is_shown_as_such(new_server: Callable[..., Server], sink: SmtpSink) -> None:
    server = new_server(sink.url, SENDMILL_RETRY_SECONDS="600").start()
    client = server.create_client("acme")
    sink.always_reply("451 4.7.1 later", "person1@example.com", stage="RCPT")
    campaign = start_campaign(client, people_csv(3))
    wait_for(lambda: dispositions(client, campaign) == {"delivered": 2, "deferred": 1})
    assert status(client, campaign) == "active"


def test_a_4xx_until_the_campaign_expires_is_a_failure(new_server: Callable[..., Server], sink: SmtpSink) -> None:
    server = new_server(sink.url, SENDMILL_EXPIRY_SECONDS="3").start()
    client = server.create_client("acme")
    sink.always_reply("451 4.7.1 later", "person1@example.com", stage="RCPT")
    campaign = start_campaign(client, people_csv(3))
    wait_until_completed(client, campaign)
    assert dispositions(client, campaign) == {"delivered": 2, "failed": 1}
    assert len(sink.refusals) >= 2


def test_a_5xx_is_final(server: Server, sink: SmtpSink) -> None:
    client = server.create_client("acme")
    sink.reply_to("person1@example.com", ["550 5.1.1 no such user"])
    sink.reply_to("person2@example.com", ["554 5.7.1 spam"], stage="DATA")
    campaign = start_campaign(client, people_csv(10))
    wait_until_completed(client, campaign)
    assert dispositions(client, campaign) == {"delivered": 8, "failed": 2}
    assert len(sink.refusals) == 2


@about_mail_servers
def test_down_at_the_start_and_back_later(new_server: Callable[..., Server], sink: SmtpSink) -> None:
    server = new_server(sink.url).start()
    sink.stop()
    client = server.create_client("acme")
    campaign = start_campaign(client, people_csv(50))
    wait_for(lambda: dispositions(client, campaign) == {"queued": 50})
    wait_for(lambda: "relay.paused" in server.log(), what=server.log)
    assert dispositions(client, campaign) == {"queued": 50}, "no attempt is counted while the relay is down"
    sink.start()
    wait_until_completed(client, campaign)
    assert_each_once(sink.recipients, people(50))


@about_mail_servers
def test_down_in_the_middle_and_back(new_server: Callable[..., Server], sink: SmtpSink) -> None:
    server = new_server(f"{sink.url}?connections=4").start()
    client = server.create_client("acme")
    sink.delay_seconds = 0.01
    campaign = start_campaign(client, people_csv(300))
    sink.wait_for_messages(60)
    sink.stop()
    assert status(client, campaign) == "active"
    sink.start()
    wait_until_completed(client, campaign)
    assert_nobody_lost(sink, people(300))
    assert sum(repeated(sink).values()) <= 2 * 4, "only what was on the wire when it went down"
    assert set(result_of(client, campaign).values()) == {"delivered"}


@about_mail_servers
def test_one_relay_down_does_not_stop_the_other(new_server: Callable[..., Server], sink: SmtpSink) -> None:
    with SmtpSink() as other:
        server = new_server(f"{sink.url},{other.url}").start()
        other.stop()
        client = server.create_client("acme")
        campaign = start_campaign(client, people_csv(100))
        wait_until_completed(client, campaign)
        assert_each_once(sink.recipients, people(100))


@about_mail_servers
def test_two_relays_share_the_work(new_server: Callable[..., Server], sink: SmtpSink) -> None:
    with SmtpSink() as other:
        server = new_server(f"{sink.url},{other.url}").start()
        client = server.create_client("acme")
        campaign = start_campaign(client, people_csv(400))
        wait_until_completed(client, campaign)
        assert_each_once(sink.recipients + other.recipients, people(400))
        assert sink.messages
        assert other.messages


@about_mail_servers
def test_without_pipelining_it_works_too(new_server: Callable[..., Server]) -> None:
    with SmtpSink(pipelining=False) as sink:
        server = new_server(sink.url).start()
        client = server.create_client("acme")
        campaign = start_campaign(client, people_csv(60))
        wait_until_completed(client, campaign)
        assert_each_once(sink.recipients, people(60))


@about_mail_servers
def test_a_server_without_smtputf8_fails_only_who_needs_it(new_server: Callable[..., Server]) -> None:
    with SmtpSink(smtputf8=False) as sink:
        server = new_server(sink.url).start()
        client = server.create_client("acme")
        csv = "name,email\nJürgen,jürgen@example.com\nAnna,anna@bücher.example\nBob,bob@example.com\n".encode()
        campaign = start_campaign(client, csv)
        wait_until_completed(client, campaign)
        assert sorted(sink.recipients) == ["anna@xn--bcher-kva.example", "bob@example.com"]
        assert result_of(client, campaign) == {
            "jürgen@example.com": "failed", "anna@bücher.example": "delivered", "bob@example.com": "delivered"
        }  # fmt: skip


def test_a_rate_holds_over_all_workers(new_server: Callable[..., Server], sink: SmtpSink) -> None:
    rate = 40
    server = new_server(f"{sink.url}?rate={rate}").start()
    client = server.create_client("acme")
    campaign = start_campaign(client, people_csv(4 * rate))
    wait_until_completed(client, campaign)
    arrived = [message.arrived for message in sink.messages]
    assert len(arrived) == 4 * rate
    # What a bucket may have saved up comes first (see budget.BUCKET_SECONDS); from then on the rate holds.
    seconds = arrived[-1] - arrived[0]
    assert (len(arrived) - 1 - rate) / seconds <= rate
    assert seconds < 15, "and it is used"
