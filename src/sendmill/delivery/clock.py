"""The clocks of delivery: the wall clock in milliseconds, the steady clock, and the database's.

What is due goes by the wall clock of the machine that looks. A wall clock may jump, and two machines' may differ: so
leases go by the steady clock (see `leases`), and rates, which all machines share, by the database's.
"""

import time
from datetime import UTC, datetime, timedelta

from django.db import connection

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now_ms() -> int:
    """Now, in milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def steady_seconds() -> float:
    """Seconds since this machine booted. Nobody sets this clock; it also counts while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def database_ms() -> int:
    """Now by the database's clock, which all nodes share. SQLite's is this machine's. In ms since 1970, UTC."""
    if connection.vendor != "postgresql":
        return now_ms()
    with connection.cursor() as cursor:
        cursor.execute("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)")
        return int(cursor.fetchone()[0])


def milliseconds(moment: datetime) -> int:
    """An aware datetime in milliseconds since 1970, UTC, rounded down."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def moment_of(number: int) -> datetime:
    """The aware UTC datetime of a number of milliseconds since 1970."""
    return _EPOCH + timedelta(milliseconds=number)
