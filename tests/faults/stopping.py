"""Stopping a process of the server under test, to go on later."""

import os
import signal
import sqlite3
from contextlib import closing

from tests.end_to_end.server import Server
from tests.end_to_end.waiting import wait_for
from tests.faults.open_transactions import is_frozen
from tests.faults.scenario import IS_POSTGRESQL


def stop(server: Server, pid: int) -> None:
    """SIGSTOP, but not while it writes to SQLite: who is stopped there holds the file's lock until it goes on."""
    freeze(pid)
    while not IS_POSTGRESQL and is_locked(server):
        os.kill(pid, signal.SIGCONT)
        wait_for(lambda: not is_locked(server), what="the end of its transaction")
        freeze(pid)


def freeze(pid: int) -> None:
    """SIGSTOP, and wait until it stands still: a thread on another core goes on for a moment, and may take a lock."""
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: is_frozen(pid), 10, f"a stopped process {pid}")


def is_locked(server: Server) -> bool:
    try:
        with closing(sqlite3.connect(server.data / "sendmill.sqlite3", timeout=1)) as database:
            database.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return True
    return False
