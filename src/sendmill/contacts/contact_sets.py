"""The contacts of one set as the importer reads and writes them: in pages, by key, many at a time.

PostgreSQL knows nothing of a set that is a second old, takes it for a few rows, and sorts all of it for every page:
57 ms instead of 0.2 ms with 200,000 contacts. So statistics are brought up to date when a large set has been written,
and what is looked up by key is looked up in a way that leaves it no choice.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import NamedTuple

from django.db import connection
from django.utils import timezone

from sendmill.contacts.models import Contact, ContactSet

GRACE = timedelta(hours=1)
"""For so long a set that a group no longer points at is kept for those who are still reading it."""

PAGE_CONTACTS = 2_000
_LARGE = 10_000

StoredRow = tuple[str, str, str, str]
"""A contact as it is stored: email key, email, name, other fields as the text of a JSON object."""


class ContactPage(NamedTuple):
    """Contacts of a set in their order, and the id of the last of them (0 without any)."""

    rows: list[StoredRow]
    last_id: int

    def keys(self) -> list[str]:
        return [row[0] for row in self.rows]


_UPSERT = """
INSERT INTO contacts_contact (contact_set_id, email_key, email, name, fields)
{rows}
ON CONFLICT (contact_set_id, email_key)
DO UPDATE SET email = excluded.email, name = excluded.name, fields = excluded.fields
"""
_UPSERT_SQLITE = _UPSERT.format(rows="VALUES (%s, %s, %s, %s, %s)")
_UPSERT_POSTGRESQL = _UPSERT.format(rows="SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[])")

# With IN it reads the whole set, for want of statistics: 126 ms a page with 300,000 contacts. LIMIT keeps it from
# turning this into a join, so that every key is a search in the index: 16 ms.
_BY_KEY_POSTGRESQL = """
SELECT found.* FROM unnest(%s::text[]) AS wanted (email_key)
CROSS JOIN LATERAL (
    SELECT email_key, email, name, fields FROM contacts_contact
    WHERE contact_set_id = %s AND email_key = wanted.email_key
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
        else:
            cursor.executemany(_UPSERT_SQLITE, [(contact_set_id, *row) for row in rows])


def contact_page(contact_set_id: int, after: int) -> ContactPage:
    """Up to PAGE_CONTACTS contacts of a set, from the one after the id `after`."""
    contacts = Contact.objects.filter(contact_set_id=contact_set_id, pk__gt=after).order_by("pk")
    rows = list(contacts.values_list("pk", "email_key", "email", "name", "fields")[:PAGE_CONTACTS])
    return ContactPage([row[1:] for row in rows], rows[-1][0] if rows else 0)


def contacts_by_key(contact_set_id: int, keys: Collection[str]) -> dict[str, StoredRow]:
    """The contacts of a set that have one of these keys (up to PAGE_CONTACTS)."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_BY_KEY_POSTGRESQL, [list(keys), contact_set_id])
            return {row[0]: row for row in cursor.fetchall()}
    found = Contact.objects.filter(contact_set_id=contact_set_id, email_key__in=keys)
    return {row[0]: row for row in found.values_list("email_key", "email", "name", "fields")}


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
