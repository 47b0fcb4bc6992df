"""What a CSV file will be read as, from its beginning: its columns, its first rows, and what is wrong with them. Pure."""

import codecs
import io
from typing import NamedTuple

from sendmill.contacts.column_choice import choose_columns
from sendmill.contacts.csv_columns import MAX_COLUMNS
from sendmill.contacts.csv_dialect import detect_dialect
from sendmill.contacts.csv_encoding import detect_encoding, text_blocks
from sendmill.contacts.csv_reader import RejectedRow, open_contacts

SAMPLE_BYTES = 64 * 1024
"""What a preview needs of a file."""

SHOWN_ROWS = 5
_EXAMPLE_CHARACTERS = 60


class Column(NamedTuple):
    """A column of the file, to choose from. `number` counts from 0."""

    number: int
    heading: str
    example: str


class Preview(NamedTuple):
    """The columns, which of them are chosen, the first contacts and the first rejected rows.

    `headings` are what the contacts will have: address, name, and every other column; each of `rows` has a cell for
    each of them.
    """

    columns: list[Column]
    email_index: int
    name_index: int | None
    headings: list[str]
    rows: list[list[str]]
    rejected: list[RejectedRow]
    has_header: bool


def preview_file(sample: bytes, *, email_index: int | None = None, name_index: int | None = None) -> Preview:
    """Of the first SAMPLE_BYTES of a file, or all of it. Without a choice of the address both columns are found.

    Raises InvalidField for `csv_file`, `email_index` or `name_index`.
    """
    file = io.BytesIO(_whole_lines(sample))
    if email_index is None:
        name_index = choose_columns(file).name_index
    contacts = open_contacts(file, email_index=email_index, name_index=name_index)
    chosen = contacts.columns
    first = next(contacts.batches())
    headings = ["email", *(["name"] if chosen.name_index is not None else [])]
    headings += [name for name in chosen.names if name not in headings]
    shown = [{"email": row.email, "name": row.name, **row.fields} for row in first.contacts[:SHOWN_ROWS]]
    return Preview(
        columns=_columns(file, chosen.email_index, chosen.has_header),
        email_index=chosen.email_index,
        name_index=chosen.name_index,
        headings=headings,
        rows=[[row.get(heading, "") for heading in headings] for row in shown],
        rejected=first.rejected[:SHOWN_ROWS],
        has_header=chosen.has_header,
    )


def _columns(file: io.BytesIO, email_index: int, has_header: bool) -> list[Column]:
    rows = detect_dialect(next(text_blocks(file, detect_encoding(file))), email_index).rows
    headings = rows[0] if has_header else [""] * len(rows[0])
    examples = rows[1:] if has_header else rows
    return [
        Column(
            index,
            heading.strip() or f"Column {index + 1}",
            next((row[index] for row in examples if index < len(row) and row[index].strip()), "")[:_EXAMPLE_CHARACTERS],
        )
        for index, heading in enumerate(headings[:MAX_COLUMNS])
    ]


def _whole_lines(sample: bytes) -> bytes:
    """Without the last line, of which a part may be missing: half of a character would be no UTF-8."""
    if len(sample) < SAMPLE_BYTES:
        return sample
    end = sample.rfind(b"\n") + 1 or sample.rfind(b"\r") + 1
    if end and sample.startswith(codecs.BOM_UTF16_LE):
        end += end % 2
    return sample[:end] if end else sample
