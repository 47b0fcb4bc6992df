"""Stopping a process of the server under test, to go on later."""

import os
import signal
import sqlite3
from contextlib import closing

from tests.end_to_end.server import Server
from tests.end_to_end.waiting import wait_for
from tests.faults.scenario import IS_POSTGRESQL


def stop(server: Server, pid: int) -> None:
    """SIGSTOP, but not while it writes to SQLite: who is stopped there holds the file's lock until it goes on."""
    os.kill(pid, signal.SIGSTOP)
    while not IS_POSTGRESQL and is_locked(server):
        os.kill(pid, signal.SIGCONT)
        wait_for(lambda: not is_locked(server), what="the end of its transaction")
        os.kill(pid, signal.SIGSTOP)


def is_locked(server: Server) -> bool:
    try:
        with closing(sqlite3.connect(server.data / "sendmill.sqlite3", timeout=1)) as database:
            database.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return True
    return False
