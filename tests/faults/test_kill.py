"""kill -9 in the middle of a campaign: of one worker, and of everything."""

import os
import random
import signal
from collections.abc import Callable

import pytest

from tests.end_to_end.campaigns import people, people_csv, start_campaign, wait_until_completed
from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import SmtpSink
from tests.end_to_end.waiting import wait_for
from tests.faults.accounting import assert_nobody_lost, repeated, result_of
from tests.faults.open_transactions import OpenTransactions
from tests.faults.scenario import Report, sized

# Three chunks: both workers have one.
PEOPLE = 2_200
WORKERS = 2
CONNECTIONS = 5


def kill_one_worker(server: Server, opened: OpenTransactions) -> None:
    pid = random.choice(wait_for(server.workers)).pid
    opened.freeze([pid])
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: pid not in [worker.pid for worker in server.workers()])


def kill_everything(server: Server, opened: OpenTransactions) -> None:
    wait_for(lambda: len(server.workers()) == WORKERS)
    opened.freeze([worker.pid for worker in server.workers()])
    server.kill_everything()
    server.start()


@pytest.mark.parametrize(("kill", "killed"), [(kill_one_worker, 1), (kill_everything, WORKERS)])
def test_nobody_is_lost_and_only_open_transactions_are_repeated(
    new_server: Callable[..., Server], sink: SmtpSink, kill: Callable[[Server, OpenTransactions], None], killed: int
) -> None:
    server = new_server(f"{sink.url}?connections={CONNECTIONS}").start()
    client = server.create_client("acme")
    sink.hold_after(100)
    campaign = start_campaign(client, people_csv(PEOPLE))
    # Every connection of both workers has a message that was taken and isn't answered.
    wait_for(lambda: len(sink.messages) == 100 + 2 * CONNECTIONS)
    opened = OpenTransactions(sink)
    kill(server, opened)
    sink.release()
    wait_until_completed(client, campaign)

    assert_nobody_lost(sink, people(PEOPLE))
    assert opened.repeats() == killed * CONNECTIONS
    assert repeated(sink) == {message.recipient: 1 for message in opened.messages()}
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
    kill_everything(server, OpenTransactions(sink))
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
    opened = OpenTransactions(sink)
    for number in range(1, most_kills + 1):
        wait_for(lambda number=number: len(sink.messages) > number * count * 0.9 / most_kills, timeout=60)
        random.choice([kill_one_worker, kill_everything])(server, opened)
    # 60 s from the last restart.
    report.faults = f"{most_kills} kills"
    wait_until_completed(client, campaign)
    open_at_most = opened.repeats()
    report.note = opened.told()
    most_repeats = open_at_most if in_doubt == "resend" else 0
    found = report.settle(client, campaign, people(count), sink, most_repeats=most_repeats)
    if in_doubt == "resend":
        assert found.dispositions == {"delivered": count}
    else:
        assert set(found.dispositions) <= {"delivered", "unconfirmed"}
        opened.assert_in_doubt(found.unconfirmed)


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
