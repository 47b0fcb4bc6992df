"""Which columns of a file count: chosen by index, by heading, or left to be found."""

from typing import BinaryIO, NamedTuple

from sendmill.contacts.csv_dialect import detect_dialect
from sendmill.contacts.csv_encoding import detect_encoding, text_blocks
from sendmill.errors import InvalidField


class Columns(NamedTuple):
    """The chosen columns, from 0; None for the addresses to be found, or for no names."""

    email_index: int | None
    name_index: int | None


def choose_columns(
    file: BinaryIO | None,
    *,
    email_index: int | None = None,
    email_column: str | None = None,
    name_index: int | None = None,
    name_column: str | None = None,
) -> Columns:
    """Headings count in any case. Without a choice the names are in the column headed `name`, if there is one.

    Raises InvalidField for `csv_file`, `email_column` or `name_column`.
    """
    if file is None:
        raise InvalidField("csv_file", "No file was submitted.")
    sample = detect_dialect(next(text_blocks(file, detect_encoding(file)), ""), email_index)
    headings = [cell.strip().lower() for cell in sample.rows[0]] if sample.rows else []
    if email_column is not None:
        email_index = _index(headings, email_column, "email_column")
    if name_column is not None:
        name_index = _index(headings, name_column, "name_column")
    elif name_index is None and "name" in headings:
        name_index = headings.index("name")
    return Columns(email_index, name_index)


def _index(headings: list[str], wanted: str, field: str) -> int:
    heading = wanted.strip().lower()
    if heading not in headings:
        known = ", ".join(f'"{name}"' for name in headings if name)[:200]
        raise InvalidField(field, f'No column is headed "{wanted}". The first row has: {known or "nothing"}.')
    return headings.index(heading)
