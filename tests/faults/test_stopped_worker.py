"""A worker that is stopped beyond its lease and goes on later: what it holds is another's by then."""

import os
import signal
from collections.abc import Callable

import pytest

from tests.end_to_end.campaigns import people, people_csv, start_campaign, wait_until_completed
from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import SmtpSink
from tests.end_to_end.waiting import wait_for
from tests.faults.open_transactions import OpenTransactions
from tests.faults.scenario import Report, long_only, sized
from tests.faults.stopping import stop

CONNECTIONS = 5


@pytest.mark.parametrize("in_doubt", ["resend", pytest.param("hold", marks=long_only)])
def test_stopped_beyond_its_lease(
    new_server: Callable[..., Server], sink: SmtpSink, report: Report, in_doubt: str
) -> None:
    count, stops = sized(2_200, 8_000), sized(1, 8)
    sink.jitter_seconds = 0.02
    server = new_server(
        f"{sink.url}?connections={CONNECTIONS}", SENDMILL_LEASE_SECONDS="1.5", SENDMILL_IN_DOUBT=in_doubt
    ).start()
    client = server.create_client("acme")
    campaign = start_campaign(client, people_csv(count))
    opened = OpenTransactions(sink)
    for number in range(1, stops + 1):
        wait_for(lambda number=number: len(sink.messages) > number * count / (stops + 1) / 2)
        stopped = server.workers()[number % 2].pid
        recovered = recovered_chunks(server, stopped)
        stop(server, stopped)
        opened.freeze([stopped])
        wait_for(lambda: recovered_chunks(server, stopped) > recovered, what=server.log)  # noqa: B023 - called at once
        taken = len(sink.messages)
        wait_for(lambda: len(sink.messages) > taken + 20)  # noqa: B023 - the other goes on
        opened.close()
        os.kill(stopped, signal.SIGCONT)
    report.faults = f"{stops} stops"
    wait_until_completed(client, campaign)
    open_at_most = opened.repeats()
    report.note = opened.told()
    most_repeats = open_at_most if in_doubt == "resend" else 0
    found = report.settle(client, campaign, people(count), sink, most_repeats=most_repeats)
    opened.assert_in_doubt(found.unconfirmed if in_doubt == "hold" else set())
    assert "chunk.lost" in server.whole_log(), "the late one learned that its chunk is another's"


def recovered_chunks(server: Server, pid: int) -> int:
    """How many chunks of this process the log says were recovered."""
    return sum("chunk.recovered" in line and f":{pid}:" in line for line in server.whole_log().splitlines())
