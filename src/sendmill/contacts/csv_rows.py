"""From blocks of text to rows of cells, in bounded memory, whatever the quotes in the file are like.

`csv.reader` alone would let one quote that is never closed swallow the rest of a file into one cell, or a stray one
join several people's rows into one. So it runs in strict mode, where a quoted field that isn't followed by a
delimiter is an error, over a bounded window of lines. On an error only the line on which the row began is given up
(or taken as it is, if it can be read alone), and parsing goes on with the next line.
"""

import csv
import io
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import NamedTuple

from sendmill.contacts.csv_dialect import Dialect
from sendmill.errors import InvalidField

MAX_ROW_CHARACTERS = 1 << 19
"""When so much has been read since the block in which a row began, its quotes are taken as never closed."""

MAX_REREAD_CHARACTERS = 64 << 20
"""What may be read again after such rows, all in all. Bounds the time that a file made for the purpose can take."""


class MalformedRow(NamedTuple):
    """A row that can't be taken apart: why, and its first line."""

    reason: str
    text: str


class _Lines(NamedTuple):
    """A block's lines. `first` is the number, from 1, of its first line."""

    first: int
    lines: list[str]
    characters: int

    @property
    def end(self) -> int:
        return self.first + len(self.lines)


class _RowTooLong(Exception):
    """The row that is being read has outgrown MAX_ROW_CHARACTERS."""


class RowSource:
    """The rows in `blocks`, each with the line (from 1) on which it begins. A blank line is a row without cells.

    `blocks` are texts of whole lines. `characters` tells how many of them have been read so far, by the block. A
    cell may have as many characters as `csv.field_size_limit` has it: 131,072, for the whole process.
    """

    def __init__(self, blocks: Iterable[str], dialect: Dialect) -> None:
        self.characters = 0
        self._blocks = iter(blocks)
        self._options = dialect._asdict()
        self._line = 0  # the last line of the last row that came out
        self._window: deque[_Lines] = deque()  # the blocks that lines after that one are in
        self._reread = 0

    def __iter__(self) -> Iterator[tuple[int, list[str] | MalformedRow]]:
        """Raises InvalidField for `csv_file` when too much had to be read again."""
        while True:
            start = self._line
            reader = csv.reader(chain.from_iterable(self._feed()), strict=True, **self._options)
            try:
                for cells in reader:
                    first_line = self._line + 1
                    self._line = start + reader.line_num
                    yield first_line, cells
            except (csv.Error, _RowTooLong):
                yield self._line + 1, self._next_line_alone()
                self._line += 1
                self._count_as_reread(start + reader.line_num - self._line)
            else:
                return

    def _feed(self) -> Iterator[Iterable[str]]:
        """The lines after `self._line`: those in the window, then those of new blocks."""
        yield from self._held()
        end = self._window[-1].end if self._window else 1
        while True:
            while self._window and self._window[0].end <= self._line + 1:
                self._window.popleft()
            if sum(block.characters for block in self._window) > MAX_ROW_CHARACTERS:
                raise _RowTooLong
            text = next(self._blocks, "")
            if not text:
                return
            # Not str.splitlines(), which would also split at U+2028 and a few others.
            block = _Lines(end, list(io.StringIO(text, newline="")), len(text))
            end = block.end
            self._window.append(block)
            self.characters += block.characters
            yield block.lines

    def _held(self) -> Iterator[Iterable[str]]:
        """The lines after `self._line` that are in the window."""
        following = self._line + 1
        for block in list(self._window):
            if following <= block.first:
                yield block.lines
            else:
                # By index, for a slice would copy the block once per malformed row.
                yield (block.lines[i] for i in range(following - block.first, len(block.lines)))

    def _next_line_alone(self) -> list[str] | MalformedRow:
        """The line after `self._line` as a row of its own, read leniently: `"Acme" Inc` is `Acme Inc`."""
        text = next(chain.from_iterable(self._held()))
        # An open quote makes the parser go on to the second line.
        reader = csv.reader([text, ""], **self._options)
        try:
            cells = next(reader)
        except csv.Error:
            return MalformedRow(f"A cell is longer than {csv.field_size_limit():,} characters.", text)
        if reader.line_num > 1:
            return MalformedRow("A quoted field begins on this line and is never closed.", text)
        return cells

    def _count_as_reread(self, lines: int) -> None:
        self._reread += sum(map(len, islice(chain.from_iterable(self._held()), lines)))
        if self._reread > MAX_REREAD_CHARACTERS:
            raise InvalidField("csv_file", f"Line {self._line}: too many quoted fields are never closed.")
