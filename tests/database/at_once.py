"""Somebody else who does something between two statements, on a connection of their own."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from django.db import connection, connections

HELD_UP_SECONDS = 0.5

Does = Callable[[Callable[[], Any]], Future[Any]]


@contextmanager
def somebody_else() -> Iterator[Does]:
    """Does something on a connection of its own; returns when that is done, or is held up by a lock."""
    with ThreadPoolExecutor(1) as pool:

        def does(act: Callable[[], Any]) -> Future[Any]:
            ended = threading.Event()

            def run() -> Any:
                try:
                    return act()
                finally:
                    connections.close_all()
                    ended.set()

            future = pool.submit(run)
            ended.wait(HELD_UP_SECONDS)
            return future

        yield does


@contextmanager
def before_statement(beginning: str, act: Callable[[], Any]) -> Iterator[list[Future[Any]]]:
    """Somebody else acts before the first statement of this thread that begins like this; what came of it."""
    ended: list[Future[Any]] = []

    def execute(run: Callable[..., Any], sql: str, *values: Any) -> Any:
        if not ended and sql.startswith(beginning):
            ended.append(does(act))
        return run(sql, *values)

    with somebody_else() as does, connection.execute_wrapper(execute):
        yield ended
