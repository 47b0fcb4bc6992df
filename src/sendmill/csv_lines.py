"""CSV files for people to open in spreadsheets. Pure."""

import csv
import io
from collections.abc import Iterable, Sequence

Cell = int | str

MARK = "\ufeff".encode()
"""What such a file begins with: without it Excel reads Windows-1252."""

# What spreadsheets take for the beginning of a formula, in full-width forms too (OWASP, CSV Injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def csv_lines(rows: Iterable[Sequence[Cell]], *, raw: bool = False) -> bytes:
    """The rows as CSV (RFC 4180), UTF-8.

    A cell that a spreadsheet would run gets an apostrophe before it, unless `raw`.
    """
    text = io.StringIO()
    csv.writer(text).writerows(rows if raw else ([_harmless(cell) for cell in row] for row in rows))
    return text.getvalue().encode()


def _harmless(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
