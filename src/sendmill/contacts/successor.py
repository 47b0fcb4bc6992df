"""Merging staged rows into a group's contacts: at once in its set, or page by page into a successor set.

An update overwrites the email as written and the name; of the other fields the file's win and the rest stay. A
contact keeps its place; new ones come last, in the file's order.

A successor is built in steps, each in a transaction of its own, which the import's `cursor` counts: the id of the last
old contact that has been taken over; then, below zero, minus the id of the next staged one to be appended. So it is
resumed where it stopped, whoever does it.
"""

import orjson
from django.db import connection

from sendmill.contacts.contact_sets import (
    StoredContact,
    StoredRow,
    contact_page,
    contacts_by_key,
    copy_without,
    last_of_page,
    upsert_contacts,
)
from sendmill.contacts.models import Contact, Import, ImportKind

_APPENDING_FROM_THE_FIRST = -1

PAGE_ROWS = 8_000
"""Contacts that are taken over in one transaction: some 60 ms on SQLite."""

_MERGE_SQLITE = """
INSERT INTO contacts_contact (contact_set_id, email_key, email, name, fields)
SELECT %s, o.email_key, coalesce(s.email, o.email), coalesce(s.name, o.name),
       CASE WHEN s.id IS NULL THEN o.fields WHEN o.fields = '{}' THEN s.fields ELSE json_patch(o.fields, s.fields) END
FROM contacts_contact o INDEXED BY contacts_in_order
LEFT JOIN contacts_contact s ON s.contact_set_id = %s AND s.email_key = o.email_key
WHERE o.contact_set_id = %s AND o.id > %s AND o.id <= %s
ORDER BY o.id
"""


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
        last = last_of_page(contact_set_id, record.cursor, PAGE_ROWS)
        if last is not None:
            _take_over(record, contact_set_id, last)
            record.cursor = last
            return True
        record.cursor = _APPENDING_FROM_THE_FIRST
    if record.kind == ImportKind.DELETE:
        return False
    after = -record.cursor - 1
    last = last_of_page(record.staging_set_id, after, PAGE_ROWS)
    if last is None:
        return False
    sets = {"successor": record.successor_set_id, "from": record.staging_set_id, "others": record.successor_set_id}
    copy_without(sets, after, last)
    record.cursor = -last - 1
    return True


def _take_over(record: Import, contact_set_id: int, last: int) -> None:
    """The contacts behind the cursor up to the id `last`, as they are after the import."""
    assert record.staging_set_id is not None and record.successor_set_id is not None, "applying"
    if record.kind == ImportKind.DELETE:
        sets = {"successor": record.successor_set_id, "from": contact_set_id, "others": record.staging_set_id}
        copy_without(sets, record.cursor, last)
    elif connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(
                _MERGE_SQLITE,
                [record.successor_set_id, record.staging_set_id, contact_set_id, record.cursor, last],
            )
    else:
        # PostgreSQL has no merge of JSON that keeps the order of the columns.
        page = contact_page(contact_set_id, record.cursor, PAGE_ROWS)
        staged = contacts_by_key(record.staging_set_id, page)
        rows = [_merged(old, staged[old.row[0]].row) if old.row[0] in staged else old.row for old in page]
        upsert_contacts(record.successor_set_id, rows)


def _merged(old: StoredContact | None, new: StoredRow) -> StoredRow:
    if old is None or old.row[3] == "{}":
        return new
    key, email, name, fields = new
    return key, email, name, orjson.dumps({**orjson.loads(old.row[3]), **orjson.loads(fields)}).decode()
