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

SECONDS = 120
LEASE_SECONDS = 3.0
#: After a fault: until what a process held has been taken over, and the rate is used in full again.
TO_SETTLE = LEASE_SECONDS + 2.0
ALLOWED = 0.02
#: A message can't be divided: where the windows' ends cut, at either end.
MESSAGES = 2


@dataclass(frozen=True)
class Part:
    """A campaign that goes at `rate`, because of a limit."""

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


def kill(server: Server, opened: Sequence[OpenTransactions]) -> None:
    pid = random.choice(server.workers()).pid
    freeze(pid, opened)
    os.kill(pid, signal.SIGKILL)


def stop_for(server: Server, opened: Sequence[OpenTransactions], seconds: float) -> None:
    pid = random.choice(server.workers()).pid
    stop(server, pid)
    freeze(pid, opened)
    threading.Event().wait(seconds)  # the time is the fault
    for one in opened:
        one.close()
    os.kill(pid, signal.SIGCONT)


def freeze(pid: int, opened: Sequence[OpenTransactions]) -> None:
    """The process stands still from now on; what is open on each mail server is noted."""
    opened[0].freeze([pid])
    for other in opened[1:]:
        other.note([pid])


FAULTS: Sequence[Callable[[Server, Sequence[OpenTransactions]], None]] = (
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
    """In any ten seconds no more than a limit allows, and as much wherever no fault is near.

    Each limit has a campaign of its own, and a relay with a limit is no other campaign's: how much of it is used must
    not depend on what another leaves it.
    """
    with SmtpSink() as limited_sink:
        url = f"{sink.url}?connections=10,{limited_sink.url}?connections=10&senders=by-relay.test"
        server = new_server(url, SENDMILL_LEASE_SECONDS=str(LEASE_SECONDS))
        one, limited, free = (server.create_client(name) for name in ("acme", "limited", "free"))
        parts = {
            "sender": Part(one, "by-sender.example", "slow@sender.test", 30.0),
            "domain": Part(one, "by-domain.example", "news@sender.test", 25.0),
            "client": Part(limited, "by-client.example", "news@limited.test", 40.0),
            "relay": Part(free, "by-relay.example", "news@by-relay.test", 105.0),
        }
        sinks = {kind: limited_sink if kind == "relay" else sink for kind in parts}
        names = ("slow@sender.test", "by-domain.example", limited.client_id, f"127.0.0.1:{limited_sink.port}")
        for (kind, part), name in zip(parts.items(), names, strict=True):
            server.command("limit", "set", kind, name, "--rate", str(part.rate))
        server.start()
        campaigns = {kind: part.start() for kind, part in parts.items()}
        opened = [OpenTransactions(sink), OpenTransactions(limited_sink)]
        slice_of_all = parts["relay"].count / (len(FAULTS) + 2)
        wait_for(lambda: len(limited_sink.messages) > parts["relay"].rate)
        began, calm = time.monotonic(), []
        for number, fault in enumerate(FAULTS, start=1):
            wait_for(lambda number=number: len(limited_sink.messages) > number * slice_of_all, 60)
            calm.append((began, time.monotonic()))
            fault(server, opened)
            began = time.monotonic() + TO_SETTLE
        for kind, part in parts.items():
            wait_until_completed(part.client, campaigns[kind], 120)
        for one_opened in opened:
            one_opened.repeats()

        arrived = {
            kind: [m.arrived for m in taken_for(sinks[kind], part.domain).messages] for kind, part in parts.items()
        }
        ends = min(moments[-1] for moments in arrived.values())
        calm.append((began, ends))
        report.faults = "2 kills, 2 stops"
        report.note = "; ".join(compared(kind, arrived[kind], part.rate, calm, ends) for kind, part in parts.items())
        most_repeats = sum(len(one.messages()) + len(one.last_read) for one in opened)
        for kind, part in parts.items():
            taken = taken_for(sinks[kind], part.domain)
            account(part.client, campaigns[kind], people(part.count, part.domain), taken).assert_exact(most_repeats)
            assert extremes(arrived[kind], arrived[kind][0], ends).most <= most_in_window(part.rate), report.note
            for begin, end in calm:
                assert extremes(arrived[kind], begin, end).fewest >= fewest_in_window(part.rate), report.note


def most_in_window(rate: float) -> float:
    """How many messages a limit may let through in ten seconds."""
    return rate * WINDOW_SECONDS * (1 + ALLOWED) + MESSAGES


def fewest_in_window(rate: float) -> float:
    """How many it must."""
    return rate * WINDOW_SECONDS * (1 - ALLOWED) - MESSAGES


def compared(kind: str, moments: Sequence[float], rate: float, calm: Sequence[tuple[float, float]], ends: float) -> str:
    """The most in any ten seconds, and the fewest and most in ten that no fault is near to, as parts of the limit."""
    whole = rate * WINDOW_SECONDS
    most = extremes(moments, moments[0], ends).most / whole
    in_calm = [extremes(moments, begin, end) for begin, end in calm]
    fewest, most_in_calm = min(e.fewest for e in in_calm) / whole, max(e.most for e in in_calm) / whole
    return f"{kind} {fewest:.3f}-{most_in_calm:.3f}, at most {most:.3f}"
