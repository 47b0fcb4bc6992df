"""Which column is which, and under what name each one's cells are kept."""

import re
from collections.abc import Callable, Sequence
from operator import itemgetter

from sendmill.addresses import InvalidAddress, parse_address
from sendmill.contacts.csv_dialect import holds_address
from sendmill.errors import InvalidField

MAX_COLUMNS = 1_000
MAX_HEADER_CHARACTERS = 255

_is_integer = re.compile(r"\s*[+-]?[0-9]{1,18}\s*").fullmatch


def parse_index(value: object, field: str) -> int:
    """A column index as a form or JSON gives it: 3 or "3". Raises InvalidField for `field`."""
    if value is None:
        raise InvalidField(field, "This field is required.")
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise InvalidField(field, "A valid integer is required.")
    if isinstance(value, str) and not _is_integer(value):
        raise InvalidField(field, "A valid integer is required.")
    index = int(value)
    if index < 0:
        raise InvalidField(field, "Ensure this value is greater than or equal to 0.")
    return index


def find_email_column(first_row: list[str], sample: list[list[str]]) -> int:
    """The index of the column headed `email` in any case, else of the first one in which `sample` has an address."""
    headers = [header.strip().lower() for header in first_row]
    if "email" in headers:
        return headers.index("email")
    for index in range(len(first_row)):
        if any(index < len(row) and holds_address(row[index]) for row in sample):
            return index
    raise InvalidField("csv_file", 'No column is headed "email", and none holds an email address.')


class Columns:
    """The names under which the cells of a row are kept: `names`, in the order of the columns.

    The chosen ones are `email` and `name` (only `email` if they are one column), the others have their headers, each
    a different one. `other_names` are those of the columns that were not chosen, `others` picks their cells from a row
    as long as the header. `email_header` is what the file calls the email column.
    """

    def __init__(self, first_row: list[str], email_index: int, name_index: int | None) -> None:
        """Raises InvalidField for an index beyond the columns, and for `csv_file` if there is too much of them."""
        for field, index in (("email_index", email_index), ("name_index", name_index)):
            if index is not None and index >= len(first_row):
                last = len(first_row) - 1
                raise InvalidField(field, f"The file has no such column: the last one has index {last}.")
        if len(first_row) > MAX_COLUMNS:
            raise InvalidField("csv_file", f"The file has more than {MAX_COLUMNS:,} columns.")
        self.email_index = email_index
        self.name_index = name_index
        self.has_header = not _is_address(first_row[email_index])
        self._taken = {"email", "name"}
        headers = [cell.strip() if self.has_header else "" for cell in first_row]
        self.email_header = headers[email_index] or f"column_{email_index}"
        self.names = [self._name(index, header) for index, header in enumerate(headers)]
        self._beyond: list[str] = []
        others = [index for index in range(len(headers)) if index not in (email_index, name_index)]
        self.other_names = [self.names[index] for index in others]
        self.others = _picker(others)

    def beyond(self, count: int) -> list[str]:
        """Names for `count` cells to the right of the last column."""
        while len(self._beyond) < count:
            self._beyond.append(self._different(f"column_{len(self.names) + len(self._beyond)}"))
        return self._beyond[:count]

    def _name(self, index: int, header: str) -> str:
        if index == self.email_index:
            return "email"
        if index == self.name_index:
            return "name"
        if len(header) > MAX_HEADER_CHARACTERS:
            raise InvalidField(
                "csv_file", f"The header of column {index} is longer than {MAX_HEADER_CHARACTERS} characters."
            )
        return self._different(header or f"column_{index}")

    def _different(self, name: str) -> str:
        number = 1
        different = name
        while different in self._taken:
            number += 1
            different = f"{name}_{number}"
        self._taken.add(different)
        return different


def _picker(indexes: list[int]) -> Callable[[list[str]], Sequence[str]]:
    """What picks the cells of these columns from a row, quickly if there are several."""
    if len(indexes) > 1:
        return itemgetter(*indexes)
    return lambda cells: [cells[index] for index in indexes]


def _is_address(cell: str) -> bool:
    try:
        parse_address(cell)
    except InvalidAddress:
        return False
    return True
