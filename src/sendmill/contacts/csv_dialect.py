"""Which delimiter a CSV file uses, and whether a space follows it."""

import csv
import io
from itertools import islice
from typing import NamedTuple

from sendmill.addresses import InvalidAddress, parse_address

DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 200
_BLANK = " " + "".join(DELIMITERS)  # a line of delimiters alone tells nothing


class Dialect(NamedTuple):
    """What `csv.reader` has to be told; quotes are always `"`, doubled inside."""

    delimiter: str = ","
    skipinitialspace: bool = False


class Sample(NamedTuple):
    """The first rows of a file as the detected dialect reads them, without blank ones."""

    dialect: Dialect
    rows: list[list[str]]


def detect_dialect(text: str, email_index: int | None) -> Sample:
    """The dialect of the file that begins with `text`.

    It is the one that finds an address in the email column most often (in any column if `email_index` is None);
    among equals the one whose rows are as wide as the first one, then the one with most columns, then the first
    of DELIMITERS. So a delimiter within cells, quoted or not, deceives it only in a list without addresses.
    """
    samples = [Sample(Dialect(delimiter), _rows(text, Dialect(delimiter))) for delimiter in DELIMITERS]
    best = max(samples, key=lambda sample: _score(sample.rows, email_index))
    if _is_spaced(best.rows):
        dialect = best.dialect._replace(skipinitialspace=True)
        return Sample(dialect, _rows(text, dialect))
    return best


def holds_address(cell: str) -> bool:
    """Whether a cell is an address. One with a delimiter in it doesn't count: `Bob|bob@example.com` is valid."""
    if any(delimiter in cell.strip() for delimiter in DELIMITERS):
        return False
    try:
        parse_address(cell)
    except InvalidAddress:
        return False
    return True


def _rows(text: str, dialect: Dialect) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), **dialect._asdict())
    rows: list[list[str]] = []
    try:
        rows.extend(row for row in islice(reader, _SAMPLE_ROWS) if any(cell.strip(_BLANK) for cell in row))
    except csv.Error:  # a cell beyond csv's limit: what came before it will do
        pass
    return rows


def _score(rows: list[list[str]], email_index: int | None) -> tuple[int, int, int]:
    if not rows:
        return (0, 0, 0)
    if email_index is None:
        addresses = sum(any(map(holds_address, row)) for row in rows)
    else:
        addresses = sum(len(row) > email_index and holds_address(row[email_index]) for row in rows)
    width = len(rows[0])
    as_wide = sum(len(row) == width for row in rows) if width > max(email_index or 0, 1) else 0
    return (addresses, as_wide, width)


def _is_spaced(rows: list[list[str]]) -> bool:
    """Whether every delimiter is followed by a space, as in `name, email`, which then is no part of the cells."""
    cells = [cell for row in rows for cell in row[1:] if cell]
    return bool(cells) and all(cell.startswith(" ") for cell in cells)
