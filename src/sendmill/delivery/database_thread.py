"""The one thread in which a worker's event loop uses the database."""

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import structlog
from django.db import Error as DatabaseError
from django.db import connection

log = structlog.get_logger()

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseThread:
    """Runs functions in a thread of its own, one after the other, on that thread's connection.

    PostgreSQL ends a transaction of it in which nothing comes for `idle_seconds`: a process that hangs there, or whose
    machine is gone, holds locks that all others wait for, as that of a token bucket. Who waits doesn't renew its
    leases, so this is a part of one, where the web and imports, which work in the middle of transactions, have a whole.
    """

    def __init__(self, idle_seconds: float) -> None:
        self._idle_ms = math.ceil(1000 * idle_seconds)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="database")

    async def run(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `act` returns. While the database can't be used it is tried again: so it must be fit to be done twice.

        A transaction whose commit was not confirmed may have happened.
        """
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return await loop.run_in_executor(self._executor, self._connected, lambda: act(*args, **kwargs))
            except DatabaseError as error:
                log.error("worker.database_error", act=getattr(act, "__name__", "?"), error=str(error).strip())
                await loop.run_in_executor(self._executor, _close_connection)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _connected(self, act: Callable[[], T]) -> T:
        if connection.connection is None and connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"SET idle_in_transaction_session_timeout = {self._idle_ms}")
        return act()

    async def close(self) -> None:
        """Close the connection and end the thread."""
        await asyncio.get_running_loop().run_in_executor(self._executor, _close_connection)
        self._executor.shutdown()


def _close_connection() -> None:
    # Looked up here, in the thread whose connection it is: `connection` is another object in each.
    connection.close()
