"""The database restarts, is held locked, or has no room: nothing is lost, and nobody has to do anything."""

import os
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.components import needs
from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.campaigns import people, people_csv, start_campaign
from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import SmtpSink
from tests.end_to_end.waiting import wait_for
from tests.faults.postgresql_cluster import Cluster
from tests.faults.scenario import Report, a_server_to_restart, only_sqlite, sized

CONNECTIONS = 5
ROOM = 64 * 1024 * 1024


@a_server_to_restart
def test_postgresql_restarts_immediately(
    cluster: Cluster, new_server: Callable[..., Server], sink: SmtpSink, report: Report
) -> None:
    count, restarts = sized(2_400, 20_000), sized(3, 10)
    sink.jitter_seconds = 0.02
    server = new_server(f"{sink.url}?connections={CONNECTIONS}", SENDMILL_DATABASE_URL=cluster.url).start()
    client = server.create_client("acme")
    campaign = start_campaign(client, people_csv(count))
    for number in range(1, restarts + 1):
        wait_for(lambda number=number: len(sink.messages) > number * count * 0.8 / restarts, timeout=60)
        cluster.restart_immediately()
        wait_for(lambda: answers(client, campaign), what="an answer of the API")
    report.faults = f"{restarts} restarts"
    found = report.settle(client, campaign, people(count), sink)
    assert found.dispositions == {"delivered": count}
    assert_said_clearly(server, "worker.database_error")


@only_sqlite
def test_sqlite_is_held_locked(new_server: Callable[..., Server], sink: SmtpSink, report: Report) -> None:
    """Longer than a lease; in the long run also longer than SQLite's busy timeout of 30 s."""
    count, seconds = sized(2_400, 20_000), sized(5, 35)
    sink.jitter_seconds = 0.02
    server = new_server(f"{sink.url}?connections={CONNECTIONS}").start()
    client = server.create_client("acme")
    campaign = start_campaign(client, people_csv(count))
    wait_for(lambda: len(sink.messages) > count / 4)
    with closing(sqlite3.connect(server.data / "sendmill.sqlite3", timeout=60, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        threading.Event().wait(seconds)
        assert answers(client, campaign), "reading goes on"
        assert len(sink.messages) < count
        other.execute("ROLLBACK")
    report.faults = f"locked for {seconds} s"
    found = report.settle(client, campaign, people(count), sink)
    assert found.dispositions == {"delivered": count}
    assert_said_clearly(server, *(["worker.database_error"] if seconds > 30 else []))


@pytest.fixture
def small_disk() -> Iterator[Callable[[Path], None]]:
    """Mounts a small file system of its own on a folder; only root may."""
    mounted: list[Path] = []

    def mount(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder)], capture_output=True, check=False
        )
        needs(done.returncode == 0, "root, who alone may mount a small tmpfs,")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_the_disk_is_full(
    new_server: Callable[..., Server], sink: SmtpSink, report: Report, small_disk: Callable[[Path], None]
) -> None:
    """Filled in the middle, the workers are killed, and room comes back: SQLite, journals and uploads are all there."""
    count = sized(2_400, 20_000)
    sink.jitter_seconds = 0.02
    server = new_server(f"{sink.url}?connections={CONNECTIONS}", is_migrated=False)
    small_disk(server.data)
    server.start()
    client = server.create_client("acme")
    campaign = start_campaign(client, people_csv(count))
    wait_for(lambda: len(sink.messages) > count / 4)
    ballast = fill(server.data)
    for process in server.workers():
        os.kill(process.pid, signal.SIGKILL)

    def is_met() -> bool:
        """SQLite's word for it, or the system's: whatever needs room first. The journals of the dead leave some."""
        fill(server.data)
        return any(words in server.whole_log() for words in ("disk is full", "No space left"))

    wait_for(is_met, what=server.log)
    assert answers(client, campaign), "reading goes on"
    ballast.unlink()
    report.faults = "disk full, two kills"
    found = report.settle(client, campaign, people(count), sink, most_repeats=2 * CONNECTIONS)
    assert found.dispositions == {"delivered": count}
    assert_said_clearly(server)


def fill(folder: Path) -> Path:
    """Leaves no room in the file system, also of what was freed since the last call; the file that took it."""
    path = folder / "ballast"
    with path.open("ab", buffering=0) as file:
        for size in (1024 * 1024, 4096, 1):
            try:
                while True:
                    file.write(os.urandom(size))
            except OSError:
                continue
    return path


def answers(client: ApiClient, campaign_id: str) -> bool:
    return client.get("/email/campaign/", _id=campaign_id).status == 200


def assert_said_clearly(server: Server, *events: str) -> None:
    """The log names what happened in lines, not in tracebacks."""
    log = server.whole_log()
    for event in events:
        assert event in log, server.log()
    assert "Traceback" not in log, log[log.index("Traceback") :][:3000]
