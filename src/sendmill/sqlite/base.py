"""Django's backend for SQLite, with a shorter wait between two looks at the write lock.

SQLite lets one transaction write at a time, and who finds the lock taken looks again after 1, 2, 5, 10 … 100 ms. Each
wait grows with the ones before, so somebody who comes new is always quicker: with two workers and an expansion one
exchange in ten waited for 25 ms and one in a hundred for 240 to 440, in which a worker's connections ran dry. And with
some who look more often than others, those others may wait for ever. Here everybody looks every millisecond or two,
for a transaction as for a statement alone, until the same time limit.
"""

import sqlite3
import time
from typing import Any

from django.db.backends.sqlite3 import base

LOOKS_MS = 5
"""SQLite waits for so long by itself, in parts of 1 to 2 ms, and comes back: an error costs more than a look."""


class Cursor(base.SQLiteCursorWrapper):
    """A cursor whose statements wait for the lock in short looks.

    Within a transaction that writes nothing waits any more; what waits is a BEGIN, or a statement that is a transaction
    of its own. `seconds` is the time limit.
    """

    seconds = 5.0

    def execute(self, query: str, params: Any = None) -> Any:
        deadline = 0.0
        while True:
            try:
                return super().execute(query, params)
            except sqlite3.OperationalError as error:
                # Its extended code where waiting is of no use is another one, such as SQLITE_BUSY_SNAPSHOT.
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                deadline = deadline or time.monotonic() + self.seconds
                if time.monotonic() >= deadline:
                    raise


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to SQLite. `timeout` in the entry's OPTIONS is how long its cursors wait, in seconds."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> sqlite3.Connection:
        connection: sqlite3.Connection = super().get_new_connection(conn_params)
        connection.execute(f"PRAGMA busy_timeout = {LOOKS_MS}")
        return connection

    def create_cursor(self, name: str | None = None) -> Cursor:  # noqa: ARG002 - Django's signature
        cursor: Cursor = self.connection.cursor(factory=Cursor)
        cursor.seconds = float(self.settings_dict["OPTIONS"].get("timeout", Cursor.seconds))
        return cursor
