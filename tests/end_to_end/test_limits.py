"""Limits, fair turns and the choice of relays, with two delivery processes and real mail servers."""

from collections.abc import Callable, Sequence

import pytest

from sendmill.delivery.budget import BUCKET_SECONDS
from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.campaigns import (
    add_sender,
    attributes,
    identifier,
    people_csv,
    post_campaign,
    set_status,
    start_campaign,
    wait_until_completed,
)  # fmt: skip
from tests.end_to_end.databases import same_to_either_database
from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import ReceivedMessage, SmtpSink
from tests.end_to_end.waiting import wait_for

SLOW = "slow.example"


def mixed_csv(count: int, domains: Sequence[str]) -> bytes:
    rows = (f"P{number},p{number}@{domains[number % len(domains)]},C\r\n" for number in range(count))
    return ("name,email,city\r\n" + "".join(rows)).encode()


def to_domain(sink: SmtpSink, domain: str) -> list[ReceivedMessage]:
    return [message for message in sink.messages if message.recipient.endswith(f"@{domain}")]


def assert_rate(messages: Sequence[ReceivedMessage], rate: float) -> None:
    """No faster than the rate (a bucket may have saved up a moment's worth), and nearly as fast."""
    seconds = messages[-1].arrived - messages[0].arrived
    assert (len(messages) - 2 - rate * BUCKET_SECONDS) / seconds <= rate * 1.02
    assert len(messages) / seconds >= rate * 0.9


def test_a_domain_at_its_rate_keeps_nobody_else_waiting(new_server: Callable[..., Server], sink: SmtpSink) -> None:
    rate, count = 30, 8_000
    server = new_server(sink.url)
    server.command("limit", "set", "domain", SLOW.upper(), "--rate", str(rate))
    client = server.start().create_client("acme")
    campaign = start_campaign(client, mixed_csv(count, [SLOW, "quick.example"]))
    wait_for(lambda: len(to_domain(sink, "quick.example")) == count // 2, 60)
    others = to_domain(sink, "quick.example")
    seen = len(to_domain(sink, SLOW))
    assert seen < 0.2 * count
    seconds = others[-1].arrived - others[0].arrived
    assert seen <= 2 + rate * (BUCKET_SECONDS + seconds * 1.02)
    # Its own mail goes on at its rate meanwhile and after.
    wait_for(lambda: len(to_domain(sink, SLOW)) >= seen + 5 * rate, 30)
    assert_rate(to_domain(sink, SLOW)[seen:], rate)
    set_status(client, campaign, "cancelled")


@pytest.mark.parametrize("kind", ["client", "sender"])
def test_a_client_or_sender_at_its_rate_keeps_nobody_else_waiting(
    kind: str, new_server: Callable[..., Server], sink: SmtpSink
) -> None:
    server = new_server(sink.url)
    limited, other = server.create_client("limited"), server.create_client("other")
    rate = 40
    name = limited.client_id if kind == "client" else "slow@sender.test"
    server.command("limit", "set", kind, name, "--rate", str(rate))
    server.start()
    campaigns = [campaign_from(limited, "slow@sender.test", people_csv(2_000, SLOW)) for _ in range(2)]
    wait_for(lambda: len(sink.messages) > rate)
    free = start_campaign(other, people_csv(2_000))
    wait_until_completed(other, free, 30)
    wait_for(lambda: len(to_domain(sink, SLOW)) >= 5 * rate, 30)
    assert_rate(to_domain(sink, SLOW), rate)
    for campaign in campaigns:
        set_status(limited, campaign, "cancelled")


def test_connections_hold_over_all_processes(new_server: Callable[..., Server], sink: SmtpSink) -> None:
    sink.delay_seconds = 0.1
    server = new_server(f"{sink.url}?connections=10")
    server.command("limit", "set", "relay", f"127.0.0.1:{sink.port}", "--connections", "7")
    server.command("limit", "set", "domain", SLOW, "--connections", "2")
    client = server.start().create_client("acme")
    campaign = start_campaign(client, mixed_csv(300, [SLOW, "quick.example", "quick.example"]))
    wait_until_completed(client, campaign)
    assert sink.most_open == 7
    assert sink.most_unanswered(SLOW) == 2
    assert sink.most_unanswered("quick.example") > 2
    assert len(sink.messages) == 300


@same_to_either_database
def test_a_small_campaign_does_not_wait_for_a_large_one(new_server: Callable[..., Server], sink: SmtpSink) -> None:
    server = new_server(f"{sink.url}?rate=60").start()
    client, other = server.create_client("acme"), server.create_client("other")
    large = start_campaign(client, people_csv(20_000, "large.example"))
    wait_for(lambda: len(sink.messages) > 60)
    for owner in (client, other):
        small = start_campaign(owner, people_csv(50, f"{owner.client_id}.example"))
        begun = len(sink.messages)
        wait_until_completed(owner, small, 20)
        # Half of what goes out meanwhile is its own, from the moment when workers take its first rows; that may be some
        # seconds on a loaded machine. The large one would take minutes.
        assert len(sink.messages) - begun < 4 * 50 + 4 * 60
    set_status(client, large, "cancelled")


@same_to_either_database
def test_clients_share_by_their_weights(new_server: Callable[..., Server], sink: SmtpSink) -> None:
    server = new_server(f"{sink.url}?rate=100")
    light, heavy = server.create_client("light"), server.create_client("heavy")
    server.command("limit", "set", "client", heavy.client_id, "--weight", "3")
    server.start()
    campaigns = [
        (light, start_campaign(light, people_csv(4_000, "light.example"))),
        (heavy, start_campaign(heavy, people_csv(4_000, "heavy.example"))),
    ]
    wait_for(lambda: to_domain(sink, "heavy.example"))
    begun = len(sink.messages) + 200  # both workers have chunks of both by then
    wait_for(lambda: len(sink.messages) >= begun + 400)
    recent = sink.messages[begun:]
    of_heavy = sum(message.recipient.endswith("@heavy.example") for message in recent)
    assert of_heavy / len(recent) == pytest.approx(0.75, abs=0.05)
    for client, campaign in campaigns:
        set_status(client, campaign, "cancelled")


@same_to_either_database
def test_the_next_relay_takes_over_and_gives_back(new_server: Callable[..., Server], sink: SmtpSink) -> None:
    with SmtpSink() as second:
        server = new_server(f"{sink.url}?rate=100,{second.url}?priority=2&rate=100").start()
        client = server.create_client("acme")
        campaign = start_campaign(client, people_csv(20_000))
        wait_for(lambda: len(sink.messages) > 100)
        assert second.messages == []
        sink.stop()
        wait_for(lambda: len(second.messages) > 100)
        sink.start()
        # Both processes have found it again when nothing comes to the second any more.
        wait_for(lambda: sum(message.arrived > second.messages[-1].arrived for message in sink.messages) > 100, 60)
        set_status(client, campaign, "cancelled")


@same_to_either_database
def test_senders_and_clients_have_relays_of_their_own(new_server: Callable[..., Server], sink: SmtpSink) -> None:
    with SmtpSink() as own:
        server = new_server(f"{sink.url},{own.url}?senders=vip%40sender.test;vip.example").start()
        client = server.create_client("acme")
        senders = ["vip@sender.test", "any@vip.example", "news@sender.test"]
        for number, sender in enumerate(senders):
            wait_until_completed(client, campaign_from(client, sender, people_csv(20, f"to{number}.example")))
        assert [len(to_domain(own, f"to{number}.example")) for number in range(3)] == [20, 20, 0]
        assert [len(to_domain(sink, f"to{number}.example")) for number in range(3)] == [0, 0, 20]
        own.stop()
        fallen_over = campaign_from(client, "vip2@vip.example", people_csv(20, "to3.example"))
        wait_until_completed(client, fallen_over)
        assert len(to_domain(sink, "to3.example")) == 20


def campaign_from(client: ApiClient, sender: str, csv: bytes) -> str:
    """A campaign from this sender, which may be there already."""
    known = {found["email"]: identifier(found) for found in client.get("/email/senderid/").expect(200).json}
    sender_id = known.get(sender) or add_sender(client, sender)
    return identifier(post_campaign(client, attributes(sender_id), csv).expect(201).json)
