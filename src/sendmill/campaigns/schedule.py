"""From a wall clock and a time zone to the instant that is meant. Pure."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from sendmill.campaigns.timezones import timezone_names
from sendmill.errors import InvalidField

_WALL_CLOCK = re.compile(r"(\d{4})-(\d{2})-(\d{2}) (\d{2}):(\d{2})", re.ASCII)
_YEARS = range(1970, 3000)  # instants near year 1 and 9999 leave datetime's range when they are moved to UTC


def parse_wall_clock(text: str) -> datetime:
    """The naive datetime that `yyyy-MM-dd HH:mm` says, in the years 1970 to 2999. Space around it is ignored.

    Raises InvalidField("start_date").
    """
    match = _WALL_CLOCK.fullmatch(text.strip())
    if match is None:
        raise InvalidField(
            "start_date", "Datetime has wrong format. Use one of these formats instead: yyyy-MM-dd HH:mm."
        )
    year, month, day, hour, minute = (int(part) for part in match.groups())
    if year not in _YEARS:
        raise InvalidField("start_date", f"The year must be from {_YEARS.start} to {_YEARS.stop - 1}.")
    try:
        return datetime(year, month, day, hour, minute)  # noqa: DTZ001  a wall clock has no zone yet
    except ValueError:
        raise InvalidField("start_date", f"{match[0]} does not exist: check day, hour and minute.") from None


def check_timezone(name: str) -> str:
    """The name, if it is a known time zone.

    Raises InvalidField("timezone").
    """
    if name not in timezone_names():
        raise InvalidField("timezone", f'"{name}" is not a valid choice.')
    return name


def instant_of(wall_clock: datetime | str, timezone: str) -> datetime:
    """The instant (aware, UTC) at which clocks in `timezone` show `wall_clock` (naive, or `yyyy-MM-dd HH:mm`).

    A time that clocks skip (DST begins) is later by the gap, one that they show twice (DST ends) is the first: both
    are what PEP 495 defines for fold=0.

    Raises InvalidField("start_date") and InvalidField("timezone").
    """
    if isinstance(wall_clock, str):
        wall_clock = parse_wall_clock(wall_clock)
    return wall_clock.replace(tzinfo=ZoneInfo(check_timezone(timezone)), fold=0).astimezone(UTC)


class ClockChange(StrEnum):
    """What is odd about a wall clock where clocks are moved: it is never shown (DST begins), or twice (DST ends)."""

    SKIPPED = "skipped"
    TWICE = "twice"


def clock_change(wall_clock: datetime, timezone: str) -> ClockChange | None:
    """Whether clocks in `timezone` show `wall_clock` (naive) other than once. Raises InvalidField("timezone")."""
    zone = ZoneInfo(check_timezone(timezone))
    first, second = (wall_clock.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return None
    back = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    return ClockChange.TWICE if back == wall_clock else ClockChange.SKIPPED
