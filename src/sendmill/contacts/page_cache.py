"""How much of SQLite's file a connection keeps in memory, where the usual (`database_entry`) isn't right."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

SMALL_KIB = 4 * 1024
"""For who reads and writes in order, and so needs nothing twice: what one transaction writes fits."""

LARGE_KIB = 24 * 1024
"""Room for the index of a large set in the layout of rows: those of a list come in no order of their addresses, so each
batch touches all of it. More would be more memory than the web process may take."""


@contextmanager
def page_cache(kib: int) -> Iterator[None]:
    """Keep so many KiB until the end of the block. Does nothing on PostgreSQL."""
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA cache_size")
        usual = int(cursor.fetchone()[0])
        cursor.execute(f"PRAGMA cache_size = {-kib}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA cache_size = {usual}")
