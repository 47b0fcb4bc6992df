"""One thing is made while the one before is being used."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


@contextmanager
def made_ahead(items: Iterator[Item]) -> Iterator[Iterator[Item]]:
    """The same items, each made in a thread of its own while the caller uses the one before. Two are held at a time.

    That pays where using them lets Python's lock go, as a long statement of the database does. What making one raises
    comes out where it is asked for. `items` must not use the database: its connection is another thread's.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        yield _taken(pool, items)


def _taken(pool: ThreadPoolExecutor, items: Iterator[Item]) -> Iterator[Item]:
    future = pool.submit(next, items, None)
    while (item := future.result()) is not None:
        future = pool.submit(next, items, None)
        yield item
