"""Merging staged rows into a group's contacts: at once in its set, or page by page into a successor set.

An update overwrites the email as written and the name; of the other fields the file's win and the rest stay. A
contact keeps its place; new ones come last, in the file's order.

A successor is built in steps, each in a transaction of its own, which the import's `cursor` counts: the id of the last
old contact that has been taken over; then, below zero, minus the id of the next staged one to be appended. So it is
resumed where it stopped, whoever does it.
"""

import orjson

from sendmill.contacts.contact_sets import (
    StoredContact,
    StoredRow,
    contact_page,
    contacts_by_key,
    upsert_contacts,
)
from sendmill.contacts.models import Contact, Import, ImportKind

_APPENDING_FROM_THE_FIRST = -1


def merge_at_once(kind: ImportKind, contact_set_id: int, staging_set_id: int) -> None:
    """Update or delete in the set itself. For few staged rows, in one transaction."""
    last = 0
    while page := contact_page(staging_set_id, last):
        existing = contacts_by_key(contact_set_id, page)
        if kind == ImportKind.DELETE:
            Contact.objects.filter(pk__in=[contact.id for contact in existing.values()]).delete()
        else:
            upsert_contacts(contact_set_id, [_merged(existing.get(new.row[0]), new.row) for new in page])
        last = page[-1].id


def take_over_page(record: Import, contact_set_id: int) -> bool:
    """Write the next page of contacts into the import's successor set and move its cursor; False if none is left.

    The caller's transaction stores the cursor.
    """
    assert record.staging_set_id is not None and record.successor_set_id is not None, "applying"
    if record.cursor >= 0:
        page = contact_page(contact_set_id, record.cursor)
        if page:
            staged = contacts_by_key(record.staging_set_id, page)
            upsert_contacts(record.successor_set_id, _taken_over(ImportKind(record.kind), page, staged))
            record.cursor = page[-1].id
            return True
        record.cursor = _APPENDING_FROM_THE_FIRST
    if record.kind == ImportKind.DELETE:
        return False
    page = contact_page(record.staging_set_id, -record.cursor - 1)
    if not page:
        return False
    merged = contacts_by_key(record.successor_set_id, page)
    upsert_contacts(record.successor_set_id, [new.row for new in page if new.row[0] not in merged])
    record.cursor = -page[-1].id - 1
    return True


def _taken_over(kind: ImportKind, page: list[StoredContact], staged: dict[str, StoredContact]) -> list[StoredRow]:
    """What becomes of a page of old contacts, some of which have staged rows."""
    if kind == ImportKind.DELETE:
        return [old.row for old in page if old.row[0] not in staged]
    return [_merged(old, staged[old.row[0]].row) if old.row[0] in staged else old.row for old in page]


def _merged(old: StoredContact | None, new: StoredRow) -> StoredRow:
    if old is None or old.row[3] == "{}":
        return new
    key, email, name, fields = new
    return key, email, name, orjson.dumps({**orjson.loads(old.row[3]), **orjson.loads(fields)}).decode()
