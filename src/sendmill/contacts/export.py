"""A group's contacts as CSV: name, email, and every other column that any of them has."""

from collections.abc import Iterator

from sendmill.contacts.fragments import StoredContact
from sendmill.contacts.groups import contact_pages
from sendmill.csv_lines import MARK, csv_lines


def exported_contacts(contact_set_id: int, *, raw: bool = False) -> Iterator[bytes]:
    """The contacts of a set in their order, page by page, under a line of headings.

    Cells that a spreadsheet would run are made harmless unless `raw`. Raises ContactsGone as `contact_pages`.
    """
    columns = _columns(contact_set_id)
    yield MARK + csv_lines([["name", "email", *columns]], raw=raw)
    for page in contact_pages(contact_set_id):
        yield csv_lines([_cells(contact, columns) for contact in page], raw=raw)


def _columns(contact_set_id: int) -> list[str]:
    """Every column that any contact has, in the order in which they first appear.

    A second for a million contacts: the price of a table in which every column has its heading.
    """
    columns: dict[str, None] = {}
    for page in contact_pages(contact_set_id):
        for _, _, fields, *_ in page:
            if not fields.keys() <= columns.keys():
                columns.update(dict.fromkeys(fields))
    return list(columns)


def _cells(contact: StoredContact, columns: list[str]) -> list[str]:
    email, name, fields, *_ = contact
    return [name, email, *[fields.get(column, "") for column in columns]]
