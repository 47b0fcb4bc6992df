"""kill -9 in the middle of a campaign: of one worker, and of everything."""

import random
from collections.abc import Callable

import pytest

from tests.end_to_end.campaigns import people, people_csv, start_campaign, wait_until_completed
from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import SmtpSink
from tests.end_to_end.waiting import wait_for
from tests.faults.accounting import assert_nobody_lost, repeated, result_of
from tests.faults.scenario import Report, sized

# Three chunks: both workers have one.
PEOPLE = 2_200
CONNECTIONS = 5


def kill_one_worker(server: Server) -> None:
    server.kill_one_worker()


def kill_everything(server: Server) -> None:
    server.kill_everything()
    server.start()


@pytest.mark.parametrize("kill", [kill_one_worker, kill_everything])
def test_nobody_is_lost_and_only_open_transactions_are_repeated(
    new_server: Callable[..., Server], sink: SmtpSink, kill: Callable[[Server], None]
) -> None:
    server = new_server(f"{sink.url}?connections={CONNECTIONS}").start()
    client = server.create_client("acme")
    sink.hold_after(100)
    campaign = start_campaign(client, people_csv(PEOPLE))
    # Every connection of both workers has a message that was taken and isn't answered.
    wait_for(lambda: len(sink.messages) == 100 + 2 * CONNECTIONS)
    kill(server)
    sink.release()
    wait_until_completed(client, campaign)

    assert_nobody_lost(sink, people(PEOPLE))
    assert 0 < sum(repeated(sink).values()) <= 2 * CONNECTIONS
    assert set(result_of(client, campaign).values()) == {"delivered"}
    assert len(result_of(client, campaign)) == PEOPLE


def test_held_in_doubt_nobody_gets_it_twice_and_each_doubt_is_named(
    new_server: Callable[..., Server], sink: SmtpSink
) -> None:
    server = new_server(f"{sink.url}?connections={CONNECTIONS}", SENDMILL_IN_DOUBT="hold").start()
    client = server.create_client("acme")
    sink.hold_after(100)
    campaign = start_campaign(client, people_csv(PEOPLE))
    wait_for(lambda: len(sink.messages) == 100 + 2 * CONNECTIONS)
    in_doubt = {message.recipient for message in sink.messages[100:]}
    kill_everything(server)
    sink.release()
    wait_until_completed(client, campaign)

    assert_nobody_lost(sink, people(PEOPLE))
    assert repeated(sink) == {}
    found = result_of(client, campaign)
    assert {recipient for recipient, disposition in found.items() if disposition == "unconfirmed"} == in_doubt
    assert {disposition for recipient, disposition in found.items() if recipient not in in_doubt} == {"delivered"}


@pytest.mark.parametrize("in_doubt", ["resend", "hold"])
def test_killed_again_and_again(
    new_server: Callable[..., Server], sink: SmtpSink, report: Report, in_doubt: str
) -> None:
    count, most_kills = sized(2_400, 20_000), sized(6, 50)
    sink.jitter_seconds = 0.02
    server = new_server(f"{sink.url}?connections={CONNECTIONS}", SENDMILL_IN_DOUBT=in_doubt).start()
    client = server.create_client("acme")
    campaign = start_campaign(client, people_csv(count))
    killed_workers = 0
    for number in range(1, most_kills + 1):
        wait_for(lambda number=number: len(sink.messages) > number * count * 0.9 / most_kills, timeout=60)
        kill = random.choice([kill_one_worker, kill_everything])
        kill(server)
        killed_workers += 2 if kill is kill_everything else 1
    # 60 s from the last restart.
    report.faults = f"{most_kills} kills"
    # A connection has one message in doubt at most. What the sink saw open is no bound: a reply that lies unread in the
    # socket of a process that is killed was never received.
    in_doubt_at_most = killed_workers * CONNECTIONS
    most_repeats = in_doubt_at_most if in_doubt == "resend" else 0
    found = report.settle(client, campaign, people(count), sink, most_repeats=most_repeats)
    if in_doubt == "resend":
        assert found.dispositions == {"delivered": count}
    else:
        assert set(found.dispositions) <= {"delivered", "unconfirmed"}
        assert len(found.unconfirmed) <= in_doubt_at_most


def test_sigterm_finishes_what_is_in_flight_and_repeats_nothing(
    new_server: Callable[..., Server], sink: SmtpSink
) -> None:
    sink.delay_seconds = 0.02
    server = new_server(f"{sink.url}?connections={CONNECTIONS}").start()
    client = server.create_client("acme")
    campaign = start_campaign(client, people_csv(400))
    sink.wait_for_messages(60)
    server.stop()
    assert len(sink.messages) < 400
    server.start()
    wait_until_completed(client, campaign)
    assert_nobody_lost(sink, people(400))
    assert repeated(sink) == {}
