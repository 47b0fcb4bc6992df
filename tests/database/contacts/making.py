"""Groups with contacts, files, and what is in the database afterwards."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

from sendmill.accounts.models import Client
from sendmill.contacts import importer
from sendmill.contacts.models import Contact, ContactGroup, Import, ImportKind
from sendmill.optouts.models import OptOut


def csv_file(*lines: str) -> BinaryIO:
    return io.BytesIO("\n".join(lines).encode())


def csv_of(rows: Iterable[Mapping[str, str]], columns: Iterable[str] = ("name", "email")) -> BinaryIO:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns))
    writer.writeheader()
    writer.writerows(rows)
    return io.BytesIO(text.getvalue().encode())


def bulk(kind: ImportKind, group: ContactGroup, file: BinaryIO) -> Import:
    """A bulk call with the name in column 0 and the email in column 1."""
    name_index = None if kind == ImportKind.DELETE else 0
    return importer.run_import(group.client, kind, group, file, email_index=1, name_index=name_index)


def contacts_of(group: ContactGroup) -> list[tuple[str, str, dict[str, Any]]]:
    """Email, name and other fields of a group's contacts, in their order."""
    group.refresh_from_db()
    rows = Contact.objects.filter(contact_set_id=group.contact_set_id).order_by("pk")
    return [(email, name, json.loads(fields)) for email, name, fields in rows.values_list("email", "name", "fields")]


def emails_of(group: ContactGroup) -> list[str]:
    return [email for email, _, _ in contacts_of(group)]


def optouts_of(client: Client) -> list[str]:
    return list(OptOut.objects.filter(client=client).order_by("pk").values_list("email", flat=True))
