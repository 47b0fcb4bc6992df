"""From a CSV file to contacts and rejected rows: what docs/api.md says under "CSV".

    for batch in open_contacts(file, email_index=1, name_index=0).batches():
        ...

Reads in bounded memory and in one pass (after one that finds the encoding), and knows nothing of the database.
Decided where the API leaves it open:

- Cells are kept as they are, line breaks in them included. Headers and addresses are trimmed.
- A row of blank cells only, as spreadsheets leave them below a list, is skipped like a blank line. Row 0 is the
  first row that isn't blank.
- `name` and `email` are the chosen columns. Another column with one of these headers is `name_2` or `email_2`.
- A cell beyond the header's columns is kept as `column_<index>`. A row that is too short has no value for the rest.
- A row whose quotes are broken is rejected by itself; its neighbours are not lost with it.
- At most 1,000 columns, 255 characters in a header, 131,072 in a cell.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO, NamedTuple

import orjson

from sendmill.addresses import InvalidAddress, address_key, parse_address
from sendmill.contacts.csv_columns import MAX_COLUMNS, Columns, find_email_column
from sendmill.contacts.csv_dialect import detect_dialect
from sendmill.contacts.csv_encoding import detect_encoding, text_blocks
from sendmill.contacts.csv_rows import MalformedRow, RowSource
from sendmill.contacts.fragments import fragment
from sendmill.errors import InvalidField

MAX_REJECTED_CHARACTERS = 255
"""How much of a rejected value is kept."""

_BATCH_ROWS = 4_000
_BATCH_CHARACTERS = 1 << 20  # bounds a batch of long rows


class ContactRow(NamedTuple):
    """A valid row. `fields` holds every other column, by header, in the file's order."""

    email: str
    email_key: str
    name: str
    fields: dict[str, str]


class RejectedRow(NamedTuple):
    """A row that was skipped: the line (from 1) on which it begins, the column at fault, its value, and why.

    `column` is the header, and empty if the row as a whole is at fault. `value` is cut to 255 characters.
    """

    line: int
    column_index: int
    column: str
    value: str
    reason: str


class Batch(NamedTuple):
    """Up to 4,000 rows in the file's order. Both valid and rejected ones may be none: a file of blank lines gives signs
    of life, too.

    Of the valid rows there are the addresses as written, their keys, and the text that is stored of each
    (`fragments`). No objects for each row, of which the garbage collector would take notice: 1.5 µs a row.
    """

    emails: list[str]
    keys: list[str]
    texts: list[str]
    rejected: list[RejectedRow]

    @property
    def contacts(self) -> list[ContactRow]:
        """The valid rows, taken apart."""
        rows = zip(self.emails, self.keys, map(orjson.loads, self.texts), strict=True)
        return [ContactRow(email, key, name, fields) for email, key, (_, name, fields, *_) in rows]


def open_contacts(
    file: BinaryIO | None, *, email_index: int | None = None, name_index: int | None = None
) -> "ContactFile":
    """The contacts in `file`, which is seekable; its encoding, delimiter and columns are known to be usable.

    Indexes count from 0. Without `email_index` it is the column headed `email` in any case, else the first one that
    holds an address. Without `name_index` names are empty. Raises InvalidField for `csv_file`, `email_index` or
    `name_index`.
    """
    if file is None:
        raise InvalidField("csv_file", "No file was submitted.")
    size = file.seek(0, os.SEEK_END)
    blocks = text_blocks(file, detect_encoding(file))
    first_block = next(blocks, "")
    sample = detect_dialect(first_block, email_index)
    source = RowSource(chain([first_block], blocks), sample.dialect)
    rows = iter(source)
    line, first_row = _first_row(rows)
    if email_index is None:
        email_index = find_email_column(first_row, sample.rows)
    columns = Columns(first_row, email_index, name_index)
    return ContactFile(columns, source, rows if columns.has_header else chain([(line, first_row)], rows), size)


class ContactFile:
    """A CSV file of `size` bytes whose `columns` are known. Made by `open_contacts`."""

    def __init__(
        self, columns: Columns, source: RowSource, rows: Iterable[tuple[int, list[str] | MalformedRow]], size: int
    ) -> None:
        self.columns = columns
        self.size = size
        self._source = source
        self._rows = rows

    def batches(self, *, addresses_only: bool = False) -> Iterator[Batch]:
        """The rows, once. Raises InvalidField for `csv_file` if the file turns out to be no CSV further down.

        With `addresses_only` the texts are empty.
        """
        source = self._source
        email_index = self.columns.email_index
        width = len(self.columns.names)
        text_of_cells = (lambda *_: "") if addresses_only else self._text
        emails, keys, texts, rejected = batch = Batch([], [], [], [])
        batch_end = source.characters + _BATCH_CHARACTERS
        for line, cells in self._rows:
            if len(emails) + len(rejected) >= _BATCH_ROWS or source.characters > batch_end:
                yield batch
                emails, keys, texts, rejected = batch = Batch([], [], [], [])
                batch_end = source.characters + _BATCH_CHARACTERS
            if isinstance(cells, MalformedRow):
                rejected.append(_malformed(line, cells))
                continue
            cell = cells[email_index] if email_index < len(cells) else ""
            try:
                email = parse_address(cell)
            except InvalidAddress as error:
                if not _is_blank(cells):
                    rejected.append(self._invalid(line, cell, error.reason))
                continue
            if len(cells) > width and len(cells) > MAX_COLUMNS:
                reason = f"The row has more than {MAX_COLUMNS:,} cells."
                rejected.append(_malformed(line, MalformedRow(reason, cell)))
                continue
            key = address_key(email)
            emails.append(email)
            keys.append(key)
            texts.append(text_of_cells(email, key, cells))
        yield batch

    def _text(self, email: str, key: str, cells: list[str]) -> str:
        columns = self.columns
        if len(cells) == len(columns.names):
            fields = dict(zip(columns.other_names, columns.others(cells), strict=True))
            name = cells[columns.name_index] if columns.name_index is not None else ""
        else:
            fields = dict(zip(columns.names, cells))  # noqa: B905 - a short row has no value for the last columns
            more = cells[len(columns.names) :]
            fields.update(zip(columns.beyond(len(more)), more, strict=True))
            del fields["email"]
            name = fields.pop("name", "")
        return fragment(email, key, email if columns.name_index == columns.email_index else name, fields)

    def _invalid(self, line: int, cell: str, reason: str) -> RejectedRow:
        columns = self.columns
        value = cell[:MAX_REJECTED_CHARACTERS]
        return RejectedRow(line, columns.email_index, columns.email_header, value, reason)


def _malformed(line: int, row: MalformedRow) -> RejectedRow:
    return RejectedRow(line, 0, "", row.text.strip()[:MAX_REJECTED_CHARACTERS], row.reason)


def _first_row(rows: Iterator[tuple[int, list[str] | MalformedRow]]) -> tuple[int, list[str]]:
    """The first row that isn't blank, and its line."""
    for line, cells in rows:
        if isinstance(cells, MalformedRow):
            raise InvalidField("csv_file", f"Line {line}: {cells.reason}")
        if not _is_blank(cells):
            return line, cells
    raise InvalidField("csv_file", "The file holds no rows.")


def _is_blank(cells: list[str]) -> bool:
    return not any(map(str.strip, cells))
