"""Many addresses in the order of their keys, each once, in flat memory: sorted runs on disk, merged."""

import heapq
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from sendmill.contacts.csv_reader import Batch
from sendmill.contacts.spill import Spill

_RUN_ROWS = 40_000
_PIECE_ROWS = 250
"""What of each run is in memory while they are merged."""

_GIVEN_ROWS = 2_000

Address = tuple[str, str]
"""Key, and email as written."""


class AddressSorter(AbstractContextManager["AddressSorter"]):
    """Takes rows, then gives their addresses; of one that came twice the last spelling."""

    def __init__(self, folder: Path | str) -> None:
        self._spill = Spill(folder, 3)
        self._run: dict[str, str] = {}
        self._runs = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._spill.__exit__(kind, error, traceback)

    def receive(self, batch: Batch) -> None:
        """Take the next rows."""
        self._run |= zip(batch.keys, batch.emails, strict=True)
        if len(self._run) >= _RUN_ROWS:
            self._end_run()

    def sorted(self) -> Iterator[list[Address]]:
        """All addresses, in pieces. Those of a single run are as they came: an index takes so few in any order."""
        if not self._runs:
            yield list(self._run.items())
            return
        self._end_run()
        piece: list[Address] = []
        for key, _, email in heapq.merge(*map(self._spill.rows, range(self._runs))):
            if piece and piece[-1][0] == key:
                piece.pop()
            elif len(piece) > _GIVEN_ROWS:
                yield piece
                piece = []
            piece.append((key, email))
        yield piece

    def _end_run(self) -> None:
        """Later runs have higher numbers: of equal keys theirs come last."""
        rows = sorted(self._run.items())
        for begin in range(0, len(rows), _PIECE_ROWS):
            piece = rows[begin : begin + _PIECE_ROWS]
            self._spill.write(self._runs, [value for key, email in piece for value in (key, self._runs, email)])
        self._run = {}
        self._runs += 1
