"""The demo's data folder: empty at the start, and its own until its process ends."""

import fcntl
import shutil
from pathlib import Path
from typing import IO, NamedTuple

from sendmill.demo.failure import DemoFailed

_LOCK_NAME = "demo.lock"


class DemoFolder(NamedTuple):
    """A folder, and the lock that keeps other demos out of it for as long as it is open."""

    path: Path
    lock: IO[str]


def take_folder(parent: Path) -> DemoFolder:
    """`demo` in `parent`, emptied of the last demo's; while another demo is up, `demo-2`, and so on.

    A file or folder of that name that no demo has made is passed over. Raises DemoFailed when the disk refuses.
    """
    try:
        folder = _first_free(parent)
        for item in folder.path.iterdir():
            if item.name == _LOCK_NAME:
                continue
            if item.is_dir() and not item.is_symlink():
                shutil.rmtree(item)
            else:
                item.unlink()
    except OSError as error:
        raise DemoFailed(f"there can be no folder for the demo in {parent}: {error.strerror}") from None
    return folder


def _first_free(parent: Path) -> DemoFolder:
    number = 1
    while True:
        path = parent / ("demo" if number == 1 else f"demo-{number}")
        if not path.exists() or (path / _LOCK_NAME).exists():
            path.mkdir(exist_ok=True)
            lock = (path / _LOCK_NAME).open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
            else:
                return DemoFolder(path, lock)
        number += 1
