"""Wall clock and zone to instant: ordinary times, gaps, overlaps, and text that is no time."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendmill.campaigns.schedule import instant_of, parse_wall_clock
from sendmill.campaigns.timezones import timezone_names
from sendmill.errors import InvalidField


@pytest.mark.parametrize(
    ("wall_clock", "timezone", "instant"),
    [
        ("2016-09-08 09:00", "EST5EDT", "2016-09-08 13:00"),
        ("2016-09-08 09:00", "CST6CDT", "2016-09-08 14:00"),
        ("2016-09-08 09:00", "MST7MDT", "2016-09-08 15:00"),
        ("2016-09-08 09:00", "PST8PDT", "2016-09-08 16:00"),
        ("2016-12-08 09:00", "EST5EDT", "2016-12-08 14:00"),
        ("2016-12-08 09:00", "PST8PDT", "2016-12-08 17:00"),
        ("2026-06-01 00:00", "Asia/Kathmandu", "2026-05-31 18:15"),
        ("2026-06-01 00:00", "Pacific/Kiritimati", "2026-05-31 10:00"),
        ("2026-06-01 12:00", "UTC", "2026-06-01 12:00"),
        # The gap: at 02:00 clocks go to 03:00, so 02:30 is sent when they show 03:30.
        ("2026-03-08 02:30", "EST5EDT", "2026-03-08 07:30"),
        ("2026-03-29 02:30", "Europe/Berlin", "2026-03-29 01:30"),
        # A gap of half an hour, and one of a whole day: Samoa had no 30 December 2011.
        ("2026-10-04 02:15", "Australia/Lord_Howe", "2026-10-03 15:45"),
        ("2011-12-30 12:00", "Pacific/Apia", "2011-12-30 22:00"),
        # Shown twice: the first.
        ("2026-11-01 01:30", "EST5EDT", "2026-11-01 05:30"),
        ("2026-10-25 02:30", "Europe/Berlin", "2026-10-25 00:30"),
    ],
)
def test_instant(wall_clock: str, timezone: str, instant: str) -> None:
    expected = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    assert instant_of(wall_clock, timezone) == expected
    assert instant_of(parse_wall_clock(wall_clock), timezone).tzinfo is UTC


def test_a_time_in_a_gap_is_later_by_the_gap() -> None:
    shown = instant_of("2026-03-08 02:30", "EST5EDT").astimezone(ZoneInfo("EST5EDT"))
    assert shown.replace(tzinfo=None) == datetime.fromisoformat("2026-03-08 03:30")


def test_fold_of_the_given_datetime_is_ignored() -> None:
    second = datetime.fromisoformat("2026-11-01 01:30").replace(fold=1)
    assert instant_of(second, "EST5EDT") == instant_of("2026-11-01 01:30", "EST5EDT")


@given(
    wall_clock=st.datetimes(datetime.fromisoformat("1970-01-01"), datetime.fromisoformat("2999-12-31 23:59")),
    timezone=st.sampled_from(sorted(timezone_names())),
)
def test_every_time_in_every_zone_is_an_instant_that_shows_it_or_is_later_by_a_gap(
    wall_clock: datetime, timezone: str
) -> None:
    wall_clock = wall_clock.replace(second=0, microsecond=0)
    instant = instant_of(wall_clock.strftime("%Y-%m-%d %H:%M"), timezone)
    shown = instant.astimezone(ZoneInfo(timezone)).replace(tzinfo=None, fold=0)
    assert timedelta(0) <= shown - wall_clock <= timedelta(days=1)


@pytest.mark.parametrize(
    "text",
    [
        "2016-9-8 9:00",
        "2016-09-08T09:00",
        "2016-09-08 09:00:00",
        "2016-09-08  09:00",
        "2016-09-08",
        "09:00",
        "",
        "tomorrow",
        "2016-09-08 09:00Z",
        "2016-09-08 09:00\x00",
        "٢٠١٦-٠٩-٠٨ ٠٩:٠٠",
        "2016-09-08\n09:00",
    ],
)
def test_another_format_is_refused(text: str) -> None:
    with pytest.raises(InvalidField, match="yyyy-MM-dd HH:mm") as caught:
        parse_wall_clock(text)
    assert caught.value.path == ("start_date",)


@pytest.mark.parametrize(
    "text", ["2016-02-30 09:00", "2017-02-29 09:00", "2016-13-01 09:00", "2016-01-01 24:00", "2016-01-01 00:60"]
)
def test_a_time_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(InvalidField, match="does not exist"):
        parse_wall_clock(text)


@pytest.mark.parametrize("text", ["0000-01-01 00:00", "0001-01-01 00:00", "1969-12-31 23:59", "9999-12-31 23:59"])
def test_a_year_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(InvalidField, match="1970 to 2999"):
        parse_wall_clock(text)


def test_space_around_a_time_is_ignored() -> None:
    assert parse_wall_clock(" 2016-09-08 09:00\n") == datetime.fromisoformat("2016-09-08 09:00")


@pytest.mark.parametrize("timezone", ["XYZ", "", "../UTC", "localtime"])
def test_an_unknown_zone_is_refused(timezone: str) -> None:
    with pytest.raises(InvalidField) as caught:
        instant_of("2016-09-08 09:00", timezone)
    assert caught.value.path == ("timezone",)
    assert caught.value.reason == f'"{timezone}" is not a valid choice.'
