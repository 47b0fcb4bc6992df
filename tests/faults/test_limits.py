"""Limits of all four kinds at once, while delivery processes are killed and stopped."""

import os
import random
import signal
import threading
from collections.abc import Callable
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
from tests.faults.rates import extremes
from tests.faults.scenario import Report, long_only
from tests.faults.stopping import stop

SECONDS = 80
RELAY_RATE = 200.0


@dataclass(frozen=True)
class Part:
    """A campaign that goes at `rate`: because of its limit, or because the relay's leaves it no more."""

    client: ApiClient
    domain: str
    sender: str
    rate: float

    @property
    def count(self) -> int:
        return int(self.rate * SECONDS)


@long_only
def test_they_hold_while_processes_are_killed_and_stopped(
    new_server: Callable[..., Server], sink: SmtpSink, report: Report
) -> None:
    server = new_server(f"{sink.url}?connections=10")
    one, limited, free = (server.create_client(name) for name in ("acme", "limited", "free"))
    parts = {
        "sender": Part(one, "by-sender.example", "slow@sender.test", 30.0),
        "domain": Part(one, "by-domain.example", "news@sender.test", 20.0),
        "client": Part(limited, "by-client.example", "news@limited.test", 40.0),
        "the rest": Part(free, "free.example", "news@free.test", 110.0),
    }
    names = {"sender": "slow@sender.test", "domain": "by-domain.example", "client": limited.client_id}
    for kind, name in names.items():
        server.command("limit", "set", kind, name, "--rate", str(parts[kind].rate))
    server.command("limit", "set", "relay", f"127.0.0.1:{sink.port}", "--rate", str(RELAY_RATE))
    server.start()
    campaigns = {name: started(part) for name, part in parts.items()}
    opened = OpenTransactions(sink)
    import time
    events = []
    for number in range(1, 7):
        wait_for(lambda number=number: len(sink.messages) > number * SECONDS * RELAY_RATE / 8, 60)
        events.append(time.monotonic())
        if number % 2:
            pid = random.choice(wait_for(server.workers)).pid
            opened.freeze([pid])
            os.kill(pid, signal.SIGKILL)
        else:
            pid = random.choice(wait_for(server.workers)).pid
            stop(server, pid)
            opened.freeze([pid])
            threading.Event().wait(1.0 if number == 2 else 5.0)  # within its lease, and beyond
            opened.close()
            os.kill(pid, signal.SIGCONT)
    report.faults = "3 kills, 3 stops"
    for name, part in parts.items():
        wait_until_completed(part.client, campaigns[name], 120)
    opened.repeats()
    for name, part in parts.items():
        found = account(part.client, campaigns[name], people(part.count, part.domain), taken_for(sink, part.domain))
        found.assert_exact(len(opened.messages()) + len(opened.last_read))
    found = {}
    for name, part in parts.items():
        arrived = [message.arrived for message in taken_for(sink, part.domain).messages]
        least, most = extremes(arrived, arrived[0] + 1, arrived[-1])
        found[name] = least / part.rate, most / part.rate
    arrived = [m.arrived for m in sink.messages]
    least, most = extremes(arrived, arrived[0] + 1, arrived[int(len(arrived) * 0.9)])
    found["relay"] = least / RELAY_RATE, most / RELAY_RATE
    report.note = ", ".join(f"{name} {least:.3f}-{most:.3f}" for name, (least, most) in found.items())
    print(report.note)
    import collections
    c = collections.Counter(int((m.arrived - sink.messages[0].arrived) * 2) for m in sink.messages)
    print([c[i] for i in range(max(c) + 1)])
    print("events", [round(e - sink.messages[0].arrived, 2) for e in events])
    assert all(most <= 1.02 for _, most in found.values())


def started(part: Part) -> str:
    sender_id = add_sender(part.client, part.sender)
    return identifier(
        post_campaign(part.client, attributes(sender_id), people_csv(part.count, part.domain)).expect(201).json
    )
