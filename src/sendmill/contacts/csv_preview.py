"""How a file looks before it is read: its headings, its first rows, and which columns seem to be which."""

from typing import BinaryIO, NamedTuple

from sendmill.contacts.column_choice import Columns, choose_columns
from sendmill.contacts.csv_dialect import detect_dialect
from sendmill.contacts.csv_encoding import detect_encoding, text_blocks
from sendmill.contacts.csv_reader import open_contacts

MOST_ROWS = 10
MOST_COLUMNS = 50
MOST_CHARACTERS = 80
_NAMES = ("name", "full name", "full_name", "fullname", "first name", "first_name", "firstname", "vorname", "nombre")


class FilePreview(NamedTuple):
    """`headings` is empty for a file without any; `columns` are those recognised. Cells are cut, for they are shown.

    Of a file with more than `MOST_COLUMNS` columns the first ones are here, and `width` is how many there are.
    """

    headings: list[str]
    rows: list[list[str]]
    columns: Columns
    width: int


def preview_file(file: BinaryIO | None) -> FilePreview:
    """The file's beginning. Raises InvalidField("csv_file") for one that can't be used."""
    recognised = choose_columns(file)
    contacts = open_contacts(file, **recognised._asdict())
    assert file is not None, "read"
    email_index = contacts.columns.email_index
    rows = detect_dialect(next(text_blocks(file, detect_encoding(file)), ""), email_index).rows
    has_header = contacts.columns.has_header
    headings = rows[0] if has_header and rows else []
    name_index = recognised.name_index
    if name_index is None:
        name_index = _name_column(headings)
    body = rows[1:] if has_header else rows
    return FilePreview(
        [_cut(cell) for cell in headings[:MOST_COLUMNS]],
        [[_cut(cell) for cell in row[:MOST_COLUMNS]] for row in body[:MOST_ROWS]],
        Columns(email_index, None if name_index == email_index else name_index),
        len(rows[0]) if rows else 0,
    )


def _name_column(headings: list[str]) -> int | None:
    """The column that most likely has the names people are addressed by."""
    small = [heading.strip().lower() for heading in headings]
    return next((small.index(name) for name in _NAMES if name in small), None)


def _cut(cell: str) -> str:
    text = " ".join(cell.split())
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
