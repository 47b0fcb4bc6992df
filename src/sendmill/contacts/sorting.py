"""Many addresses in the order of their keys, each once, in flat memory."""

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from itertools import chain
from pathlib import Path
from types import TracebackType

from sendmill.contacts.csv_reader import Batch
from sendmill.contacts.spill import Spill

PARTITION_ROWS = 10_000
"""About so many rows are sorted in memory; so many, and fewer, stay in the order in which they came: an index takes
them in any."""

_SAMPLED_KEYS = 16_384
_SAMPLED_OF_A_PARTITION = 16
"""So many of a partition's keys must be known for it to be about as large as the others."""

Address = tuple[str, str]
"""Key, and email as written."""


class AddressSorter(AbstractContextManager["AddressSorter"]):
    """Takes rows, then gives their addresses; of one that came twice the last spelling.

    The rows are kept on disk as they come. A sample of their keys, taken evenly whatever order they are in, then says
    where to cut the alphabet, and each part of it is gathered and sorted by itself.
    """

    def __init__(self, folder: Path | str) -> None:
        self._stack = ExitStack()
        self._received, self._gathered = (self._stack.enter_context(Spill(folder, 2)) for _ in range(2))
        self._rows = 0
        self._sample: list[str] = []
        self._every = 1  # row of the file is in the sample

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def receive(self, batch: Batch) -> None:
        """Take the next rows."""
        self._received.write(0, list(chain.from_iterable(zip(batch.keys, batch.emails, strict=True))))
        self._sample += batch.keys[-self._rows % self._every :: self._every]
        self._rows += len(batch.keys)
        while len(self._sample) > _SAMPLED_KEYS:
            del self._sample[1::2]
            self._every *= 2

    def sorted(self) -> Iterator[list[Address]]:
        """All addresses, in pieces."""
        cuts = self._cuts()
        if not cuts:
            yield list(dict(self._received.rows(0)).items())
            return
        for keys, emails in self._received.pieces(0):
            self._gathered.put([bisect_right(cuts, key) for key in keys], keys, emails)
        self._received.close()
        for partition in self._gathered.partitions():
            yield sorted(dict(self._gathered.rows(partition)).items())

    def _cuts(self) -> list[str]:
        """The first keys of all parts but the first."""
        keys = sorted(self._sample)
        parts = min(self._rows // PARTITION_ROWS, len(keys) // _SAMPLED_OF_A_PARTITION) or 1
        return [keys[part * len(keys) // parts] for part in range(1, parts)]
