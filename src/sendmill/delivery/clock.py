"""The clock of the delivery tables: whole milliseconds since 1970, UTC."""

import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now_ms() -> int:
    """Now, in milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def milliseconds(moment: datetime) -> int:
    """An aware datetime in milliseconds since 1970, UTC, rounded down."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def moment_of(number: int) -> datetime:
    """The aware UTC datetime of a number of milliseconds since 1970."""
    return _EPOCH + timedelta(milliseconds=number)
