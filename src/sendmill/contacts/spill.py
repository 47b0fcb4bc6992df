"""Rows in numbered partitions on disk, so that memory is flat however many rows there are."""

import marshal
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

_HELD_VALUES = 50_000
_HELD_BYTES = 4 << 20
_SIZE_BYTES = 8
_WITHOUT_REFERENCES = 2  # the version of marshal's format that doesn't look for objects that occur twice


class Spill(AbstractContextManager["Spill"]):
    """Rows of `width` plain values, each in a partition; those of one partition are read in the order in which they
    came. They lie in a file without a name, which is gone with this process whatever happens to it."""

    def __init__(self, folder: Path | str, width: int) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__
        self._width = width
        self._held: defaultdict[int, list[Any]] = defaultdict(list)
        self._held_values = self._held_bytes = 0
        self._written: dict[int, list[int]] = {}  # where each partition's pieces begin
        self._end = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

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
        self._file.seek(self._end)
        self._file.write(len(piece).to_bytes(_SIZE_BYTES, "big") + piece)
        self._written.setdefault(partition, []).append(self._end)
        self._end += _SIZE_BYTES + len(piece)

    def partitions(self) -> list[int]:
        """The numbers of those that have rows, in order."""
        return sorted({*self._held, *self._written})

    def pieces(self, partition: int) -> Iterator[list[list[Any]]]:
        """The rows of a partition, a piece at a time, as their columns."""
        for values in self._values(partition):
            yield [values[column :: self._width] for column in range(self._width)]

    def rows(self, partition: int) -> Iterator[tuple[Any, ...]]:
        """The rows of a partition."""
        for values in self._values(partition):
            yield from zip(*[iter(values)] * self._width, strict=True)

    def _values(self, partition: int) -> Iterator[list[Any]]:
        for begin in self._written.get(partition, ()):
            self._file.seek(begin)
            size = int.from_bytes(self._file.read(_SIZE_BYTES), "big")
            yield marshal.loads(self._file.read(size))  # noqa: S302 - nobody else can write to the file
        if partition in self._held:
            yield self._held[partition]

    def _write_held(self) -> None:
        for partition, values in self._held.items():
            self.write(partition, values)
        self._held.clear()
        self._held_values = self._held_bytes = 0
