"""Merging staged rows into a group's contacts: at once in its set, or page by page into a successor set.

An update overwrites the email as written and the name; of the other fields the file's win and the rest stay. A
contact keeps its place; new ones come last, in the file's order.

A successor is built in steps, each in a transaction of its own, which the import's `cursor` counts: the id of the last
old contact that has been taken over; then, below zero, minus the id of the next staged one to be appended. So it is
resumed where it stopped, whoever does it.
"""

import orjson

from sendmill.contacts.contact_sets import StoredRow, contact_page, contacts_by_key, upsert_contacts
from sendmill.contacts.models import Contact, Import, ImportKind

_APPENDING_FROM_THE_FIRST = -1


def merge_at_once(kind: ImportKind, contact_set_id: int, staging_set_id: int) -> None:
    """Update or delete in the set itself. For few staged rows, in one transaction."""
    if kind == ImportKind.DELETE:
        keys = Contact.objects.filter(contact_set_id=staging_set_id).values("email_key")
        Contact.objects.filter(contact_set_id=contact_set_id, email_key__in=keys).delete()
        return
    last_id = 0
    while (page := contact_page(staging_set_id, last_id)).rows:
        existing = contacts_by_key(contact_set_id, page.keys())
        upsert_contacts(contact_set_id, [_merged(existing.get(row[0]), row) for row in page.rows])
        last_id = page.last_id


def take_over_page(record: Import, contact_set_id: int) -> bool:
    """Write the next page of contacts into the import's successor set and move its cursor; False if none is left.

    The caller's transaction stores the cursor.
    """
    assert record.staging_set_id is not None and record.successor_set_id is not None, "applying"
    if record.cursor >= 0:
        page = contact_page(contact_set_id, record.cursor)
        if page.rows:
            staged = contacts_by_key(record.staging_set_id, page.keys())
            if record.kind == ImportKind.DELETE:
                rows = [row for row in page.rows if row[0] not in staged]
            else:
                rows = [_merged(row, staged.get(row[0], row)) for row in page.rows]
            upsert_contacts(record.successor_set_id, rows)
            record.cursor = page.last_id
            return True
        if record.kind == ImportKind.DELETE:
            return False
        record.cursor = _APPENDING_FROM_THE_FIRST
    page = contact_page(record.staging_set_id, -record.cursor - 1)
    if not page.rows:
        return False
    taken_over = contacts_by_key(record.successor_set_id, page.keys())
    upsert_contacts(record.successor_set_id, [row for row in page.rows if row[0] not in taken_over])
    record.cursor = -page.last_id - 1
    return True


def _merged(old: StoredRow | None, new: StoredRow) -> StoredRow:
    if old is None or old is new or old[3] == "{}":
        return new
    key, email, name, fields = new
    return key, email, name, orjson.dumps({**orjson.loads(old[3]), **orjson.loads(fields)}).decode()
