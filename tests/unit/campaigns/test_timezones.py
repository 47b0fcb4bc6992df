"""Time zones come from the tzdata package, whatever the system has and whatever was loaded first."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sendmill.campaigns.timezones import DOCUMENTED, timezone_names, timezone_source


def _run(code: str, system_zones: Path) -> str:
    """What a fresh interpreter prints, on a machine whose system zones are in `system_zones`."""
    environment = {**os.environ, "PYTHONTZPATH": str(system_zones)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def stale_system(tmp_path: Path) -> Path:
    """System zones that think EST5EDT is what Tokyo has."""
    shutil.copy(Path(timezone_source()[0]) / "Asia" / "Tokyo", tmp_path / "EST5EDT")
    return tmp_path


_OFFSET = 'print(ZoneInfo("EST5EDT").utcoffset(datetime(2026, 1, 5)))'


def test_a_stale_system_copy_would_be_used_by_default(stale_system: Path) -> None:
    code = "from datetime import datetime; from zoneinfo import ZoneInfo; " + _OFFSET
    assert _run(code, stale_system) == "9:00:00"


def test_the_package_wins(stale_system: Path) -> None:
    code = (
        "import sendmill.campaigns.timezones; from datetime import datetime; from zoneinfo import ZoneInfo; " + _OFFSET
    )
    assert _run(code, stale_system) == "-1 day, 19:00:00"


def test_the_package_wins_over_a_zone_that_was_loaded_before(stale_system: Path) -> None:
    code = (
        "from datetime import datetime; from zoneinfo import ZoneInfo; kept = ZoneInfo('EST5EDT'); "
        "import sendmill.campaigns.schedule; " + _OFFSET
    )
    assert _run(code, stale_system) == "-1 day, 19:00:00"


def test_documented_names_are_known() -> None:
    assert set(DOCUMENTED) <= timezone_names()
    assert {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Asia/Kolkata"} <= timezone_names()


@pytest.mark.parametrize(
    "name",
    [
        "XYZ",
        "",
        "../etc/passwd",
        "/etc/localtime",
        "localtime",
        "posixrules",
        "Factory",
        "America",
        "tzdata.zi",
        "est5edt",
        " UTC",
        "UTC\n",
        "posix/UTC",
        "right/UTC",
        "Europe/../UTC",
        "UTC\0",
    ],
)
def test_other_names_are_not(name: str) -> None:
    assert name not in timezone_names()


def test_the_source_is_the_package_and_its_release() -> None:
    path, release = timezone_source()
    assert (Path(path) / "Europe" / "Berlin").is_file()
    assert "site-packages" in path
    assert f"# version {release}" == (Path(path) / "tzdata.zi").read_text().splitlines()[0]
