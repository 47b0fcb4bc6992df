"""A wall clock that a test sets, for the server under test (see wall_clock.c)."""

import shutil
import struct
import subprocess
import time
from datetime import datetime
from pathlib import Path

from tests.components import needs

_SOURCE = Path(__file__).with_name("wall_clock.c")
_COMPILER = shutil.which("cc")


class WallClock:
    """The wall clock of every process started with `environment`. Their steady clocks go on as they do."""

    def __init__(self, folder: Path, ahead_seconds: float = 0.0) -> None:
        self._library = folder / "wall_clock.so"
        self._file = folder / "wall-clock-ahead"
        needs(_COMPILER, "a C compiler (Debian packages: gcc libc6-dev)")
        subprocess.run([str(_COMPILER), "-shared", "-fPIC", "-O1", "-o", str(self._library), str(_SOURCE)], check=True)
        self.set_ahead(ahead_seconds)

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "WALL_CLOCK_AHEAD": str(self._file)}

    def set_ahead(self, seconds: float) -> None:
        """From now on it is so far ahead of the machine's clock, or behind it."""
        with self._file.open("r+b" if self._file.exists() else "wb", buffering=0) as file:
            file.write(struct.pack("=q", int(seconds * 1e9)))

    def set(self, moment: datetime) -> None:
        """It is this moment now, and goes on from there."""
        self.set_ahead(moment.timestamp() - time.time())
