"""Django's backend for SQLite, with a shorter wait between two looks at the write lock.

SQLite lets one transaction write at a time, and who finds the lock taken looks again after 1, 2, 5, 10 … 100 ms. Each
wait grows with the ones before, so somebody who comes new is always quicker: with two workers and an expansion one
exchange in ten waited for 25 ms and one in a hundred for 240 to 440, in which a worker's connections ran dry. Here
everybody looks every millisecond or two, until the same time limit.
"""

import sqlite3
import time

from django.db.backends.sqlite3 import base
from django.db.utils import OperationalError

LOOKS_MS = 5
"""SQLite waits for so long by itself, in parts of 1 to 2 ms, and comes back: an error costs more than a look."""


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to SQLite.

    Transactions are IMMEDIATE: one that means to write waits for its turn at its start, where the time limit holds, and
    never fails in its middle (SQLITE_BUSY_SNAPSHOT).
    """

    def _start_transaction_under_autocommit(self) -> None:
        seconds = float(self.settings_dict["OPTIONS"].get("timeout", 5.0))
        deadline = time.monotonic() + seconds
        self._set_busy_timeout(LOOKS_MS)
        try:
            while not self._begin(is_last_try=time.monotonic() >= deadline):
                pass
        finally:
            self._set_busy_timeout(int(seconds * 1000))

    def _begin(self, is_last_try: bool) -> bool:
        """Begin a transaction; False if the lock is taken, unless this is the last try."""
        try:
            self.cursor().execute("BEGIN IMMEDIATE")
        except OperationalError as error:
            code = getattr(error.__cause__, "sqlite_errorcode", None)
            if code != sqlite3.SQLITE_BUSY or is_last_try:
                raise
            return False
        return True

    def _set_busy_timeout(self, milliseconds: int) -> None:
        self.connection.execute(f"PRAGMA busy_timeout = {milliseconds}")
