"""One contact put into a group, or taken out of it: an import of one row, so that all the same rules hold."""

import io

from sendmill.addresses import InvalidAddress, parse_address
from sendmill.contacts import importer
from sendmill.contacts.models import ContactGroup, ImportKind
from sendmill.csv_lines import csv_lines
from sendmill.errors import InvalidField


def put_contact(group: ContactGroup, *, email: str, name: str) -> None:
    """Add a contact, or change the name of the one with this address. Raises InvalidField("email") and NotFound."""
    _import(ImportKind.UPDATE, group, email, name)


def drop_contact(group: ContactGroup, *, email: str) -> None:
    """Take an address out of the group, if it is there. Raises InvalidField("email") and NotFound."""
    _import(ImportKind.DELETE, group, email, "")


def _import(kind: ImportKind, group: ContactGroup, email: str, name: str) -> None:
    try:
        address = parse_address(email)
    except InvalidAddress as error:
        raise InvalidField("email", error.reason) from None
    file = io.BytesIO(csv_lines([["email", "name"], [address, name]], raw=True))
    name_index = 1 if kind == ImportKind.UPDATE else None
    importer.run_import(group.client, kind, group, file, email_index=0, name_index=name_index)
