"""A file that tells how far it has been read, and that can be taken away from its reader."""

import io
from collections.abc import Callable
from typing import BinaryIO


class Interrupted(Exception):
    """The reader is to stop: the process ends."""


class WatchedFile(io.BufferedReader):
    """`file`, which is one of the disk, from its beginning. `on_read` is told the position before every piece that is
    read; what it raises comes out of the reader."""

    def __init__(self, file: BinaryIO, on_read: Callable[[int], None]) -> None:
        super().__init__(io.FileIO(file.fileno(), closefd=False))
        self.seek(0)
        self._on_read = on_read

    def read(self, size: int | None = -1, /) -> bytes:
        self._on_read(self.tell())
        return super().read(size)
