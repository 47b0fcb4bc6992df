"""Rows in numbered partitions on disk, so that memory is flat however many rows there are."""

import marshal
import os
import struct
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

_HELD_VALUES = 25_000
_HELD_BYTES = 2 << 20
_HEADER = struct.Struct("<qq")  # where the partition's piece before begins, and the size of this one
_NOWHERE = -1
_WITHOUT_REFERENCES = 2  # the version of marshal's format that doesn't look for objects that occur twice


class Spill(AbstractContextManager["Spill"]):
    """Rows of `width` plain values, each in a partition; those of one partition are read in the order in which they
    came. They lie in a file without a name, which is gone with this process whatever happens to it.

    A piece tells where the one before it is, so that what is remembered of a partition is one number: twice the rows
    are twice the pieces in each of twice the partitions.
    """

    def __init__(self, folder: Path | str, width: int) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__
        self._width = width
        self._held: defaultdict[int, list[Any]] = defaultdict(list)
        self._held_values = self._held_bytes = 0
        self._last: dict[int, int] = {}  # where the last piece of each partition begins
        self._end = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget all rows."""
        self._file.close()
        self._held.clear()

    def put(self, partitions: Iterable[int], *columns: Sequence[Any], size: int = 0) -> None:
        """Add rows, whose values are given column by column, each to the partition named for it.

        `size` is about what they take in bytes, if that is much.
        """
        # One list of values for a partition, and no tuple for a row: the garbage collector would look at each.
        held = self._held
        for partition, row in zip(partitions, zip(*columns, strict=True), strict=True):
            held[partition].extend(row)
        self._held_values += self._width * len(columns[0])
        self._held_bytes += size
        if self._held_values >= _HELD_VALUES or self._held_bytes >= _HELD_BYTES:
            self._write_held()

    def write(self, partition: int, values: list[Any]) -> None:
        """Add rows, whose values are given row by row, that are not to be held in memory: they will be a piece."""
        piece = marshal.dumps(values, _WITHOUT_REFERENCES)
        self._file.write(_HEADER.pack(self._last.get(partition, _NOWHERE), len(piece)))
        self._file.write(piece)
        self._last[partition] = self._end
        self._end += _HEADER.size + len(piece)

    def partitions(self) -> list[int]:
        """The numbers of those that have rows, in order."""
        return sorted({*self._held, *self._last})

    def pieces(self, partition: int) -> Iterator[list[list[Any]]]:
        """The rows of a partition, a piece at a time, as their columns."""
        for values in self._values(partition):
            yield [values[column :: self._width] for column in range(self._width)]

    def rows(self, partition: int) -> Iterator[tuple[Any, ...]]:
        """The rows of a partition."""
        for values in self._values(partition):
            yield from zip(*[iter(values)] * self._width, strict=True)

    def _values(self, partition: int) -> Iterator[list[Any]]:
        self._file.flush()
        number = self._file.fileno()
        found: list[tuple[int, int]] = []
        begin = self._last.get(partition, _NOWHERE)
        while begin != _NOWHERE:
            before, size = _HEADER.unpack(os.pread(number, _HEADER.size, begin))
            found.append((begin + _HEADER.size, size))
            begin = before
        for place, size in reversed(found):
            yield marshal.loads(os.pread(number, size, place))  # noqa: S302 - nobody else can write to the file
        if partition in self._held:
            yield self._held[partition]

    def _write_held(self) -> None:
        for partition, values in self._held.items():
            self.write(partition, values)
        self._held.clear()
        self._held_values = self._held_bytes = 0
