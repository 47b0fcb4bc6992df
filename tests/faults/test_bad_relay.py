"""A relay that is bad in every way there is: the recipients get their mail through the good one, as fast as ever.

What is slow or stuck here is the relay, never the campaign: only messages that are on the bad relay's wire may wait.
"""

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.campaigns import people, people_csv, start_campaign
from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import SmtpSink
from tests.end_to_end.waiting import wait_for
from tests.faults.scenario import Report, about_mail_servers, long_only, sized
from tests.faults.wire import Spoil, Wire
from tests.unit.delivery.smtp_servers import Certificate

pytestmark = about_mail_servers

CONNECTIONS = 4
#: Messages that the bad relay may hold: two on each of its connections, of both workers.
MOST_ON_THE_WIRE = 2 * CONNECTIONS * 2


@contextmanager
def bad_relay(kind: str, sink: SmtpSink, folder: Path) -> Iterator[str]:
    """The URL of a relay that is bad in this way; what it takes all the same, `sink` has."""
    if kind == "down":
        sink.stop()
        yield f"{sink.url}?connections={CONNECTIONS}"
    elif kind == "starttls not offered":
        yield f"{sink.url}?connections={CONNECTIONS}&tls=starttls"
    elif kind == "wrong certificate":
        context = Certificate(folder, "elsewhere.test").server_context()
        with SmtpSink(tls_context=context) as secure:
            yield f"{secure.url}?connections={CONNECTIONS}"
            assert not secure.messages, "nothing goes to whom we don't know"
    else:
        assert kind in ("busy", "silent", "one byte a second", "cut in content")
        with Wire(sink.port, kind) as wire:  # type: ignore[arg-type]
            yield f"{wire.url}?connections={CONNECTIONS}"


BAD = ["down", "busy", "silent", "starttls not offered", "wrong certificate", "cut in content"]


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=long_only) if kind in ("down", "busy", "starttls not offered") else kind for kind in BAD],
)
def test_beside_a_bad_relay_everyone_gets_it_through_the_good_one(
    new_server: Callable[..., Server], sink: SmtpSink, report: Report, tmp_path: Path, kind: str
) -> None:
    count = sized(600, 5_000)
    with SmtpSink() as good, bad_relay(kind, sink, tmp_path) as bad_url:
        server = new_server(f"{good.url}?connections={CONNECTIONS},{bad_url}").start()
        client = server.create_client("acme")
        campaign = start_campaign(client, people_csv(count))
        report.faults = f"a relay: {kind}"
        report.settle(client, campaign, people(count), good, sink, most_repeats=0)
        if kind != "cut in content":
            assert not sink.messages


def test_beside_a_relay_that_takes_a_byte_a_second_only_what_is_on_its_wire_waits(
    new_server: Callable[..., Server], sink: SmtpSink, report: Report, tmp_path: Path
) -> None:
    count = sized(600, 5_000)
    with SmtpSink() as good, bad_relay("one byte a second", sink, tmp_path) as bad_url:
        server = new_server(f"{good.url}?connections={CONNECTIONS},{bad_url}").start()
        client = server.create_client("acme")
        start_campaign(client, people_csv(count))
        report.faults = "a relay: one byte a second"
        wait_for(
            lambda: len(good.messages) >= count - MOST_ON_THE_WIRE,
            what=lambda: f"{len(good.messages)} of {count} through the good relay",
        )


@pytest.mark.parametrize(
    ("spoil", "pipelining"),
    [
        ("byte by byte", True),
        ("one packet", True),
        ("nothing", False),
        pytest.param("byte by byte", False, marks=long_only),
        pytest.param("one packet", False, marks=long_only),
        pytest.param("nothing", True, marks=long_only),
    ],
)
def test_replies_in_any_packets(
    new_server: Callable[..., Server], report: Report, spoil: Spoil, pipelining: bool
) -> None:
    count = sized(150, 2_000)
    with SmtpSink(pipelining=pipelining) as sink, Wire(sink.port, spoil) as wire:
        server = new_server(f"{wire.url}?connections={CONNECTIONS}").start()
        client = server.create_client("acme")
        for number in range(0, count, 10):
            sink.reply_to(f"person{number}@example.com", ["451 4.7.1 later"])
            sink.reply_to(f"person{number + 1}@example.com", ["451-4.7.1 much\r\n451 4.7.1 later"], stage="DATA")
        campaign = start_campaign(client, people_csv(count))
        report.faults = f"replies: {spoil}, pipelining: {pipelining}"
        found = report.settle(client, campaign, people(count), sink, within=sized(60, 240))
        assert found.dispositions == {"delivered": count}


def test_over_starttls_too(new_server: Callable[..., Server], report: Report, tmp_path: Path) -> None:
    certificate = Certificate(tmp_path, "127.0.0.1")
    with SmtpSink(tls_context=certificate.server_context()) as sink:
        url = f"{sink.url}?connections={CONNECTIONS}&tls=starttls"
        server = new_server(url, SSL_CERT_FILE=str(certificate.path)).start()
        client = server.create_client("acme")
        campaign = start_campaign(client, people_csv(300))
        sink.wait_for_messages(50)
        server.kill_one_worker()
        report.faults = "a kill, over TLS"
        report.settle(client, campaign, people(300), sink, most_repeats=CONNECTIONS)


@pytest.mark.parametrize("stage", ["RCPT", pytest.param("DATA", marks=long_only)])
def test_a_third_is_deferred_for_long(
    new_server: Callable[..., Server], sink: SmtpSink, report: Report, stage: str
) -> None:
    """They are tried again and again until they are taken; the others aren't kept waiting."""
    count = sized(600, 6_000)
    server = new_server(f"{sink.url}?connections={CONNECTIONS}").start()
    client = server.create_client("acme")
    deferred = people(count)[::3]
    for recipient in deferred:
        sink.always_reply("451 4.7.1 later", recipient, stage=stage)
    campaign = start_campaign(client, people_csv(count))
    wait_for(lambda: len(sink.messages) == count - len(deferred), timeout=60)
    wait_for(lambda: len(sink.refusals) >= 2 * len(deferred), timeout=60)
    for recipient in deferred:
        sink.always_reply(None, recipient, stage=stage)
    report.faults = f"a third 4xx to {stage}"
    found = report.settle(client, campaign, people(count), sink)
    assert found.dispositions == {"delivered": count}


def messages_a_second(sink: SmtpSink) -> float:
    """From the tenth part of the messages to the ninth: without beginning and end."""
    arrived = [message.arrived for message in sink.messages]
    first, last = len(arrived) // 10, len(arrived) * 9 // 10
    return (last - first) / (arrived[last] - arrived[first])


@long_only
@pytest.mark.parametrize("kind", ["nothing bad", *BAD, "one byte a second"])
def test_the_good_relay_is_as_fast_as_alone(
    new_server: Callable[..., Server], report: Report, tmp_path: Path, kind: str
) -> None:
    """Three times each, in turns, and the medians: alone, and beside the bad one. The good relay takes 25 ms a message,
    so that the wire and not the machine is the limit."""
    count = 2_000
    rates: dict[str, list[float]] = {"alone": [], "beside": []}
    for number in range(3):
        for way in rates:
            folder = tmp_path / f"{way}-{number}"
            folder.mkdir()
            with SmtpSink() as good, SmtpSink() as sink, bad_relay_or_none(kind, way, sink, folder) as more:
                good.delay_seconds = 0.025
                server = new_server(f"{good.url}?connections={CONNECTIONS}{more}", SENDMILL_WORKERS="1").start()
                client = server.create_client("acme")
                start_campaign(client, people_csv(count))
                wait_for(lambda good=good: len(good.messages) >= count * 0.9, timeout=120)
                rates[way].append(messages_a_second(good))
                server.discard()
    ratio = statistics.median(rates["beside"]) / statistics.median(rates["alone"])
    report.faults = f"a relay: {kind}"
    alone, beside = (", ".join(f"{rate:.0f}" for rate in rates[way]) for way in rates)
    report.note = f"{ratio:.2f}: beside {beside}/s, alone {alone}/s"
    assert ratio >= 0.9


@contextmanager
def bad_relay_or_none(kind: str, way: str, sink: SmtpSink, folder: Path) -> Iterator[str]:
    if way == "alone" or kind == "nothing bad":
        yield ""
    else:
        with bad_relay(kind, sink, folder) as url:
            yield f",{url}"
