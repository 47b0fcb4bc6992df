"""The time zones campaigns can be scheduled in, from the `tzdata` package and nowhere else.

zoneinfo prefers the system's files, which on a server that is never upgraded are years old: a campaign would start
an hour off after a government moved its clocks. Importing this module turns that round for the whole process. Zones
loaded earlier are forgotten, so it need not be the first import.
"""

import importlib.resources
import zoneinfo
from functools import cache

import tzdata  # type: ignore[import-untyped]  # ships no type information

zoneinfo.reset_tzpath(to=())
zoneinfo.ZoneInfo.clear_cache()

DOCUMENTED = ("EST5EDT", "CST6CDT", "MST7MDT", "PST8PDT")
"""The names in the API reference. They are IANA names too: links to America/New_York and so on."""


@cache
def timezone_names() -> frozenset[str]:
    """Every name that may be given: the IANA database's, which hold the documented four.

    Only a name in this set ever reaches zoneinfo, so none can be a path. "Factory" is the database's placeholder for
    a machine whose zone was never set.
    """
    return frozenset(zoneinfo.available_timezones() - {"Factory"})


def timezone_source() -> tuple[str, str]:
    """Where zones are read from, and the IANA release they are of: ("…/tzdata/zoneinfo", "2025b")."""
    return str(importlib.resources.files(tzdata) / "zoneinfo"), tzdata.IANA_VERSION
