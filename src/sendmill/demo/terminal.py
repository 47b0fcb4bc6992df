"""What the demo shows: steps, a progress bar and tables, on a terminal or in a file.

On a terminal a running step and the progress bar are drawn over themselves; anywhere else every line is written once.
Colours only on a terminal, and not when NO_COLOR is set (no-color.org).
"""

import os
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Sequence
from typing import TextIO

_BOLD, _DIM, _RED, _GREEN = "1", "2", "31", "32"
_ERASE_LINE = "\r\x1b[K"
_BAR_CELLS = 32
_NAME_CELLS = 10
_FACT_CELLS = 36
# Not on a terminal: a line of progress for every so many hundredths.
_PLAIN_STEP = 25


class Terminal:
    """Writes to `stream`, standard output if none is given."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._is_live = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._has_colours = self._is_live and not os.environ.get("NO_COLOR")
        self._columns = shutil.get_terminal_size().columns if self._is_live else 100
        self._plain_progress = -1

    def heading(self, text: str) -> None:
        """A line in bold with an empty one before and after it."""
        self._write(f"\n{self._styled(text, _BOLD)}\n\n")

    def begin(self, name: str) -> None:
        """A step has begun; on a terminal its line waits for `done`."""
        if self._is_live:
            self._write(f"{_ERASE_LINE}  {self._styled('·', _DIM)} {padded(name, _NAME_CELLS)} …")

    def done(self, name: str, fact: str, detail: str = "") -> None:
        """A step has succeeded. `detail` stands dimmed behind the fact."""
        mark = self._styled("✓", _GREEN)
        facts = f"{padded(fact, _FACT_CELLS)} {self._styled(detail, _DIM)}" if detail else fact
        self._write(f"{self._erase()}  {mark} {padded(name, _NAME_CELLS)} {facts}\n")

    def failed(self, text: str) -> None:
        """What went wrong, in one line."""
        self._write(f"{self._erase()}  {self._styled('✗', _RED)} {text}\n")

    def progress(self, name: str, count: int, total: int) -> None:
        """How far a step is. Drawn over itself on a terminal; else a line for every quarter."""
        share = count / total if total else 0.0
        if self._is_live:
            full = round(share * _BAR_CELLS)
            bar = self._styled("█" * full, _GREEN) + self._styled("░" * (_BAR_CELLS - full), _DIM)
            self._write(f"{_ERASE_LINE}  {self._styled('·', _DIM)} {padded(name, _NAME_CELLS)} {bar} {count}/{total}")
            return
        step = int(share * 100) // _PLAIN_STEP
        if step > self._plain_progress:
            self._plain_progress = step
            self._write(f"    {padded(name, _NAME_CELLS)} {count}/{total}\n")

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Columns under a header; those of numbers end at the same cell."""
        columns = list(zip(header, *rows, strict=True))
        widths = [max(map(display_width, column)) for column in columns]
        numeric = [all(cell.isdecimal() for cell in column[1:]) for column in columns]

        def line(cells: Sequence[str]) -> str:
            aligned = [
                padded(cell, width, right=right) for cell, width, right in zip(cells, widths, numeric, strict=True)
            ]
            return "   ".join(aligned).rstrip()

        self._write(f"  {self._styled(line(header), _BOLD)}\n  {self._styled('─' * len(line(header)), _DIM)}\n")
        for row in rows:
            self._write(f"  {line(row)}\n")

    def quote(self, text: str, lines: int) -> None:
        """The first lines of a text, marked as quoted and cut at the terminal's width."""
        for line in text.splitlines()[:lines]:
            self._write(f"  {self._styled('│', _DIM)} {cut(line, self._columns - 4)}".rstrip() + "\n")

    def paragraph(self, text: str) -> None:
        """Prose, folded at the terminal's width (at most 100)."""
        self._write(textwrap.indent(textwrap.fill(text, min(self._columns, 100) - 2), "  ") + "\n")

    def line(self, text: str = "") -> None:
        """A line as it is, for text that must stay whole to be copied."""
        self._write(f"{text}\n")

    def _erase(self) -> str:
        return _ERASE_LINE if self._is_live else ""

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._has_colours else text

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def display_width(text: str) -> int:
    """The cells that a text takes on a terminal: wide East Asian characters two, combining and format ones none."""
    return sum(map(_cells, text))


def padded(text: str, width: int, *, right: bool = False) -> str:
    """The text with spaces up to `width` cells, before it if `right`."""
    space = " " * (width - display_width(text))
    return space + text if right else text + space


def cut(text: str, width: int) -> str:
    """The text if it fits into `width` cells, else its beginning and an ellipsis."""
    if display_width(text) <= width:
        return text
    kept, used = [], 0
    for character in text:
        used += _cells(character)
        if used > width - 1:
            break
        kept.append(character)
    return "".join(kept) + "…"


def _cells(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf", "Cc"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
