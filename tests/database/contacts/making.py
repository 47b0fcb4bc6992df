"""Groups with contacts, files, and what is in the database afterwards."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

import pytest

from sendmill.accounts.models import Client
from sendmill.addresses import address_key
from sendmill.contacts import applying, contact_sets, importer, merging, pages, sorting, spill, successor
from sendmill.contacts.fragments import fragment
from sendmill.contacts.groups import contact_pages
from sendmill.contacts.models import ContactGroup, ContactSet, Import, ImportKind, Layout, RollingUpgrade
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
    return contacts_in(group.contact_set_id)


def contacts_in(contact_set_id: int) -> list[tuple[str, str, dict[str, Any]]]:
    """The same of a set, in whichever layout."""
    pages = contact_pages(contact_set_id)
    return [(email, name, fields) for page in pages for email, name, fields, *_ in page]


def emails_of(group: ContactGroup) -> list[str]:
    return [email for email, _, _ in contacts_of(group)]


def optouts_of(client: Client) -> list[str]:
    return list(OptOut.objects.filter(client=client).order_by("pk").values_list("email", flat=True))


def fill(group: ContactGroup, contacts: Iterable[tuple[str, str, dict[str, str]]]) -> None:
    """Give a group that has none these contacts: email, name and other fields."""
    ContactSet.objects.filter(pk=group.contact_set_id).update(layout=Layout.PAGES)
    writer = pages.PageWriter(group.contact_set_id, lambda: None)
    rows = [(address_key(email), email, name, fields) for email, name, fields in contacts]
    writer.extend([key for key, *_ in rows], [fragment(email, key, name, fields) for key, email, name, fields in rows])
    writer.close()


def use_layout(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make sets in this layout, and everything so small that many steps are taken: "pages", "rows" (by a successor) or
    "rows at once"."""
    monkeypatch.setattr(pages, "PAGE_CONTACTS", 2)
    monkeypatch.setattr(merging, "_SMALL_CONTACTS", 1)
    monkeypatch.setattr(merging, "_PARTITION_BYTES", 64)
    monkeypatch.setattr(merging, "_STRETCH_ROWS", 1)
    monkeypatch.setattr(spill, "_HELD_VALUES", 4)
    monkeypatch.setattr(sorting, "PARTITION_ROWS", 2)
    monkeypatch.setattr(sorting, "_SAMPLED_KEYS", 8)
    monkeypatch.setattr(sorting, "_SAMPLED_OF_A_PARTITION", 2)
    monkeypatch.setattr(applying, "OPTOUT_PAGES", 1)
    monkeypatch.setattr(contact_sets, "PAGE_CONTACTS", 2)
    monkeypatch.setattr(successor, "PAGE_ROWS", 2)
    monkeypatch.setattr(applying, "PAGE_ROWS", 2)
    if layout != "rows at once":
        monkeypatch.setattr(applying, "AT_ONCE_ROWS", -1)
    if layout != "pages":
        RollingUpgrade.objects.create()
