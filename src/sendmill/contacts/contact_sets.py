"""The contacts of one set as the importer reads and writes them: in pages, by key, many at a time.

PostgreSQL takes a set that it has no statistics of for a single row, and then any index that begins with the set is as
good to it as the right one. With 600,000 contacts it read them all for each of a page's 2,000 keys (an update of
100,000 took 496 s instead of 44), or sorted them all for each page (57 ms instead of 0.2). So the statistics are
brought up to date when a large set has been written, and queries are put in a way that leaves one index to choose.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import NamedTuple

import orjson
from django.db import connection
from django.utils import timezone

from sendmill.contacts.models import Contact, ContactSet

GRACE = timedelta(hours=1)
"""For so long a set that a group no longer points at is kept for those who are still reading it."""

PAGE_CONTACTS = 2_000
_LARGE = 10_000

StoredRow = tuple[str, str, str, str]
"""A contact as it is stored: email key, email, name, other fields as the text of a JSON object."""


class StoredContact(NamedTuple):
    """A contact of a set, with its primary key."""

    id: int
    row: StoredRow


_UPSERT = """
INSERT INTO contacts_contact (contact_set_id, email_key, email, name, fields)
{rows}
ON CONFLICT (contact_set_id, email_key)
DO UPDATE SET email = excluded.email, name = excluded.name, fields = excluded.fields
"""
_UPSERT_SQLITE = _UPSERT.format(rows="VALUES (%s, %s, %s, %s, %s)")
# One statement for all rows: Python's driver lets go of Python's lock for each statement, and this one is long enough
# for another thread to read the next rows meanwhile. WHERE keeps ON from being taken for a join's.
_UPSERT_JSON = _UPSERT.format(
    rows="SELECT %s, value->>0, value->>1, value->>2, value->>3 FROM json_each(%s) WHERE true"
)
_UPSERT_POSTGRESQL = _UPSERT.format(rows="SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[])")

_PAGE_SQLITE = """
SELECT id, email_key, email, name, fields FROM contacts_contact INDEXED BY contacts_in_order
WHERE contact_set_id = %s AND id > %s
ORDER BY id LIMIT %s
"""

# With `contact_set_id = …` the order would be that of the primary key too, and of a set that is a large part of the
# table the page would be looked for there: 1.6 s behind its last contact, with 2 million of other sets to skip.
_PAGE_POSTGRESQL = """
SELECT id, email_key, email, name, fields FROM contacts_contact
WHERE contact_set_id BETWEEN %s AND %s AND (contact_set_id, id) > (%s, %s)
ORDER BY contact_set_id, id LIMIT %s
"""

_LAST = "SELECT max(id) FROM ({page}) AS page"
_LAST_SQLITE = _LAST.format(page=_PAGE_SQLITE)
_LAST_POSTGRESQL = _LAST.format(page=_PAGE_POSTGRESQL)

_COPY = """
INSERT INTO contacts_contact (contact_set_id, email_key, email, name, fields)
SELECT %(successor)s, f.email_key, f.email, f.name, f.fields FROM contacts_contact f {index}
WHERE {page} AND NOT EXISTS (
    SELECT 1 FROM contacts_contact o WHERE o.contact_set_id = {others} AND o.email_key = f.email_key
)
ORDER BY f.id
"""
_COPY_SQLITE = _COPY.format(
    index="INDEXED BY contacts_in_order",
    page="f.contact_set_id = %(from)s AND f.id > %(after)s AND f.id <= %(last)s",
    others="%(others)s",
)
_COPY_POSTGRESQL = _COPY.format(
    index="",
    page="f.contact_set_id BETWEEN %(from)s AND %(from)s AND (f.contact_set_id, f.id) > (%(from)s, %(after)s) "
    "AND f.id <= %(last)s",
    others="(SELECT CAST(%(others)s AS bigint))",
)

# The sub-select makes PostgreSQL reckon with a set of average size. LIMIT keeps the whole from becoming a join with
# all of the set: every key is a search in the unique index. 20 ms for 2,000.
_BY_KEY_POSTGRESQL = """
SELECT found.* FROM unnest(%s::text[]) AS wanted (email_key)
CROSS JOIN LATERAL (
    SELECT id, email_key, email, name, fields FROM contacts_contact
    WHERE contact_set_id = (SELECT %s::bigint) AND email_key = wanted.email_key
    LIMIT 1
) AS found
"""


def upsert_contacts(contact_set_id: int, rows: Collection[StoredRow]) -> None:
    """Write contacts, each with another key, into a set; one that has a contact already keeps its place.

    To be called in a transaction.
    """
    if not rows:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            columns = [list(column) for column in zip(*rows, strict=True)]
            cursor.execute(_UPSERT_POSTGRESQL, [contact_set_id, *columns])
            return
        as_json = orjson.dumps(list(rows)).decode()
        if "\\u0000" in as_json:  # where SQLite's JSON would end a text
            cursor.executemany(_UPSERT_SQLITE, [(contact_set_id, *row) for row in rows])
        else:
            cursor.execute(_UPSERT_JSON, [contact_set_id, as_json])


def contact_page(contact_set_id: int, after: int, limit: int | None = None) -> list[StoredContact]:
    """Up to `limit` (PAGE_CONTACTS) contacts of a set, in their order, from the one after the id `after`."""
    limit = limit or PAGE_CONTACTS
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_PAGE_POSTGRESQL, [contact_set_id, contact_set_id, contact_set_id, after, limit])
        else:
            cursor.execute(_PAGE_SQLITE, [contact_set_id, after, limit])
        return [StoredContact(row[0], row[1:]) for row in cursor.fetchall()]


def last_of_page(contact_set_id: int, after: int, limit: int) -> int | None:
    """The id of the last contact in the page of up to `limit` behind the id `after`; None if there is none."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_LAST_POSTGRESQL, [contact_set_id, contact_set_id, contact_set_id, after, limit])
        else:
            cursor.execute(_LAST_SQLITE, [contact_set_id, after, limit])
        last: int | None = cursor.fetchone()[0]
        return last


def copy_without(sets: Mapping[str, int], after: int, last: int) -> None:
    """Copy the contacts of the set `from` with ids behind `after` and up to `last` into the set `successor`, in their
    order, but for those whose address is in the set `others`."""
    with connection.cursor() as cursor:
        statement = _COPY_POSTGRESQL if connection.vendor == "postgresql" else _COPY_SQLITE
        cursor.execute(statement, {**sets, "after": after, "last": last})


def contacts_by_key(contact_set_id: int, contacts: Collection[StoredContact]) -> dict[str, StoredContact]:
    """The contacts of a set that have the keys of these (up to PAGE_CONTACTS) contacts of another."""
    keys = [contact.row[0] for contact in contacts]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_BY_KEY_POSTGRESQL, [keys, contact_set_id])
            found = cursor.fetchall()
    else:
        in_set = Contact.objects.filter(contact_set_id=contact_set_id, email_key__in=keys)
        found = list(in_set.values_list("id", "email_key", "email", "name", "fields"))
    return {row[1]: StoredContact(row[0], row[1:]) for row in found}


def count_written(contact_set_id: int) -> int:
    """The number of contacts in a set that is complete. If they are many, PostgreSQL is told about them: 0.3 s."""
    count = Contact.objects.filter(contact_set_id=contact_set_id).count()
    if count >= _LARGE and connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE (SKIP_LOCKED) contacts_contact")
    return count


def retire(contact_set_id: int, *, has_readers: bool) -> None:
    """Leave a set to be purged: after GRACE, or at once if nobody can be reading it."""
    since = timezone.now() - (timedelta() if has_readers else GRACE)
    ContactSet.objects.filter(pk=contact_set_id).update(retired_on=since)
