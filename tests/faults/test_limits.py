"""Limits of all four kinds at once, while delivery processes are killed and stopped."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.campaigns import (
    add_sender,
    attributes,
    identifier,
    people,
    people_csv,
    post_campaign,
    wait_until_completed,
)
from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import SmtpSink
from tests.end_to_end.waiting import wait_for
from tests.faults.accounting import account, taken_for
from tests.faults.open_transactions import OpenTransactions
from tests.faults.rates import WINDOW_SECONDS, extremes
from tests.faults.scenario import Report, long_only
from tests.faults.stopping import stop

SECONDS = 90
RELAY_RATE = 200.0
LEASE_SECONDS = 3.0
#: After a fault: until what a process held has been taken over, and the rate is used in full again.
TO_SETTLE = LEASE_SECONDS + 2.0
ALLOWED = 0.02
#: A message can't be divided: where the windows' ends cut, at either end.
MESSAGES = 2


@dataclass(frozen=True)
class Part:
    """A campaign that goes at `rate`: because of a limit, or because the relay's leaves it no more."""

    client: ApiClient
    domain: str
    sender: str
    rate: float

    @property
    def count(self) -> int:
        return int(self.rate * SECONDS)

    def start(self) -> str:
        described, csv = attributes(add_sender(self.client, self.sender)), people_csv(self.count, self.domain)
        return identifier(post_campaign(self.client, described, csv).expect(201).json)


def kill(server: Server, opened: OpenTransactions) -> None:
    pid = random.choice(server.workers()).pid
    opened.freeze([pid])
    os.kill(pid, signal.SIGKILL)


def stop_for(server: Server, opened: OpenTransactions, seconds: float) -> None:
    pid = random.choice(server.workers()).pid
    stop(server, pid)
    opened.freeze([pid])
    threading.Event().wait(seconds)  # the time is the fault
    opened.close()
    os.kill(pid, signal.SIGCONT)


FAULTS: Sequence[Callable[[Server, OpenTransactions], None]] = (
    kill,
    lambda server, opened: stop_for(server, opened, LEASE_SECONDS / 3),
    kill,
    lambda server, opened: stop_for(server, opened, LEASE_SECONDS * 2),
)


def test_the_most_and_the_fewest_in_ten_seconds() -> None:
    evenly = [number / 8 for number in range(241)]
    assert extremes(evenly, 0.0, 30.0) == (79, 80)
    assert extremes(sorted([*evenly, *[15.0625] * 7]), 0.0, 30.0) == (79, 87)
    assert extremes([moment for moment in evenly if not 12 < moment < 14], 0.0, 30.0) == (64, 80)


@long_only
def test_limits_hold_while_processes_are_killed_and_stopped(
    new_server: Callable[..., Server], sink: SmtpSink, report: Report
) -> None:
    """In any ten seconds no more than a limit allows, and as much wherever no fault is near. All are reached: sender,
    domain and client by campaigns of their own, and the relay's by what another campaign adds to them."""
    server = new_server(f"{sink.url}?connections=10", SENDMILL_LEASE_SECONDS=str(LEASE_SECONDS))
    one, limited, free = (server.create_client(name) for name in ("acme", "limited", "free"))
    parts = {
        "sender": Part(one, "by-sender.example", "slow@sender.test", 30.0),
        "domain": Part(one, "by-domain.example", "news@sender.test", 25.0),
        "client": Part(limited, "by-client.example", "news@limited.test", 40.0),
        "relay": Part(free, "free.example", "news@free.test", RELAY_RATE - 30.0 - 25.0 - 40.0),
    }
    names = ("slow@sender.test", "by-domain.example", limited.client_id, f"127.0.0.1:{sink.port}")
    rates = {kind: RELAY_RATE if kind == "relay" else part.rate for kind, part in parts.items()}
    for (kind, rate), name in zip(rates.items(), names, strict=True):
        server.command("limit", "set", kind, name, "--rate", str(rate))
    server.start()
    campaigns = {kind: part.start() for kind, part in parts.items()}
    opened = OpenTransactions(sink)
    wait_for(lambda: len(sink.messages) > RELAY_RATE)
    began, calm = time.monotonic(), []
    for number, fault in enumerate(FAULTS, start=1):
        wait_for(lambda number=number: len(sink.messages) > number * SECONDS * RELAY_RATE / 6, 60)
        calm.append((began, time.monotonic()))
        fault(server, opened)
        began = time.monotonic() + TO_SETTLE
    for kind, part in parts.items():
        wait_until_completed(part.client, campaigns[kind], 120)
    opened.repeats()

    arrived = {kind: [m.arrived for m in taken_for(sink, part.domain).messages] for kind, part in parts.items()}
    ends = min(moments[-1] for moments in arrived.values())
    arrived["relay"] = [message.arrived for message in sink.messages]
    calm.append((began, ends))
    report.faults = "2 kills, 2 stops"
    report.note = "; ".join(compared(kind, arrived[kind], rates[kind], calm, ends) for kind in rates)
    for kind, part in parts.items():
        found = account(part.client, campaigns[kind], people(part.count, part.domain), taken_for(sink, part.domain))
        found.assert_exact(len(opened.messages()) + len(opened.last_read))
    for kind, rate in rates.items():
        most_allowed = rate * WINDOW_SECONDS * (1 + ALLOWED) + MESSAGES
        assert extremes(arrived[kind], arrived[kind][0], ends).most <= most_allowed, report.note
        for begin, end in calm:
            fewest = extremes(arrived[kind], begin, end).fewest
            assert fewest >= rate * WINDOW_SECONDS * (1 - ALLOWED) - MESSAGES, report.note


def compared(kind: str, moments: Sequence[float], rate: float, calm: Sequence[tuple[float, float]], ends: float) -> str:
    """The most in any ten seconds, and the fewest and most in ten that no fault is near to, as parts of the limit."""
    whole = rate * WINDOW_SECONDS
    most = extremes(moments, moments[0], ends).most / whole
    in_calm = [extremes(moments, begin, end) for begin, end in calm]
    fewest, most_in_calm = min(e.fewest for e in in_calm) / whole, max(e.most for e in in_calm) / whole
    return f"{kind} {fewest:.3f}-{most_in_calm:.3f}, at most {most:.3f}"
