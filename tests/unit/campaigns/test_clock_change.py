"""Wall clocks that are never shown, or twice."""

from datetime import datetime

import pytest

from sendmill.campaigns.schedule import ClockChange, clock_change

CASES = [
    ("2027-03-28 02:30", "Europe/Berlin", ClockChange.SKIPPED),
    ("2027-03-28 01:59", "Europe/Berlin", None),
    ("2027-03-28 03:00", "Europe/Berlin", None),
    ("2027-10-31 02:30", "Europe/Berlin", ClockChange.TWICE),
    ("2027-10-31 03:00", "Europe/Berlin", None),
    ("2027-03-28 02:30", "UTC", None),
    ("2027-04-04 01:45", "Australia/Lord_Howe", ClockChange.TWICE),  # by half an hour
    ("2027-10-03 02:15", "Australia/Lord_Howe", ClockChange.SKIPPED),
]


@pytest.mark.parametrize(("text", "zone", "change"), CASES)
def test_it_is_told(text: str, zone: str, change: ClockChange | None) -> None:
    assert clock_change(datetime.strptime(text, "%Y-%m-%d %H:%M"), zone) == change  # noqa: DTZ007
