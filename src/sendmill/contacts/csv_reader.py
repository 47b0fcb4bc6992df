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

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO, NamedTuple

from sendmill.addresses import InvalidAddress, address_key, parse_address
from sendmill.contacts.csv_columns import MAX_COLUMNS, Columns, find_email_column
from sendmill.contacts.csv_dialect import detect_dialect
from sendmill.contacts.csv_encoding import detect_encoding, text_blocks
from sendmill.contacts.csv_rows import MalformedRow, RowSource
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
    """Up to 4,000 rows in the file's order. Both may be empty: a file of blank lines gives signs of life, too."""

    contacts: list[ContactRow]
    rejected: list[RejectedRow]


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
    blocks = text_blocks(file, detect_encoding(file))
    first_block = next(blocks, "")
    sample = detect_dialect(first_block, email_index)
    source = RowSource(chain([first_block], blocks), sample.dialect)
    rows = iter(source)
    line, first_row = _first_row(rows)
    if email_index is None:
        email_index = find_email_column(first_row, sample.rows)
    columns = Columns(first_row, email_index, name_index)
    return ContactFile(columns, source, rows if columns.has_header else chain([(line, first_row)], rows))


class ContactFile:
    """A CSV file whose `columns` are known. Made by `open_contacts`."""

    def __init__(
        self, columns: Columns, source: RowSource, rows: Iterable[tuple[int, list[str] | MalformedRow]]
    ) -> None:
        self.columns = columns
        self._source = source
        self._rows = rows

    def batches(self) -> Iterator[Batch]:
        """The rows, once. Raises InvalidField for `csv_file` if the file turns out to be no CSV further down."""
        source = self._source
        names = self.columns.names
        name_is_email = self.columns.name_index == self.columns.email_index
        batch = Batch([], [])
        batch_end = source.characters + _BATCH_CHARACTERS
        for line, cells in self._rows:
            if len(batch.contacts) + len(batch.rejected) >= _BATCH_ROWS or source.characters > batch_end:
                yield batch
                batch = Batch([], [])
                batch_end = source.characters + _BATCH_CHARACTERS
            if isinstance(cells, MalformedRow):
                batch.rejected.append(_malformed(line, cells))
                continue
            fields = dict(zip(names, cells))  # noqa: B905 - a short row has no value for the last columns
            cell = fields.pop("email", "")
            try:
                email = parse_address(cell)
            except InvalidAddress as error:
                if not _is_blank(cells):
                    batch.rejected.append(self._invalid(line, cell, error.reason))
                continue
            if len(cells) > len(names):
                if len(cells) > MAX_COLUMNS:
                    reason = f"The row has more than {MAX_COLUMNS:,} cells."
                    batch.rejected.append(_malformed(line, MalformedRow(reason, cell)))
                    continue
                more = cells[len(names) :]
                fields.update(zip(self.columns.beyond(len(more)), more, strict=True))
            name = email if name_is_email else fields.pop("name", "")
            batch.contacts.append(ContactRow(email, address_key(email), name, fields))
        yield batch

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
