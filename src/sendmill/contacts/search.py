"""Looking into contact sets: a page of one, those whose address begins with a text, one address in all groups.

Everything here is a search in an index, whatever the size of the set. It is all that the dashboard and erasures know
of how contacts are stored.
"""

from typing import NamedTuple

import orjson
from django.db import connection

from sendmill.accounts.models import Client
from sendmill.addresses import prefix_key
from sendmill.contacts.contact_sets import contact_page
from sendmill.contacts.models import Contact

PAGE_CONTACTS = 50
MOST_GROUPS = 200
"""So many groups of one address are shown."""


class FoundContact(NamedTuple):
    """A contact as it is shown. `fields` is every other column, header to value."""

    email: str
    name: str
    fields: dict[str, str]


class FoundPage(NamedTuple):
    """`next` is what the page after it begins behind, "" if there is none."""

    contacts: list[FoundContact]
    next: str


class InGroup(NamedTuple):
    """A contact in one of the client's groups."""

    group_object_id: str
    tag: str
    contact: FoundContact


_BEGINS = """
SELECT email_key, email, name, fields FROM contacts_contact
WHERE contact_set_id = {contact_set} AND {begins} AND email_key > %(after)s
ORDER BY email_key LIMIT %(limit)s
"""
# SQLite compares octets, so it is a range of the index.
_BEGINS_SQLITE = _BEGINS.format(
    contact_set="%(contact_set)s",
    begins="email_key >= %(prefix)s AND email_key < %(prefix)s || char(1114111)",
)
# Under another collation than C it is none: PostgreSQL then goes through the keys of the set in its index.
_BEGINS_POSTGRESQL = _BEGINS.format(
    contact_set="(SELECT %(contact_set)s::bigint)", begins="starts_with(email_key, %(prefix)s)"
)

_GROUPS_OF = """
SELECT g.object_id, g.tag, found.email, found.name, found.fields
FROM contacts_contactgroup g CROSS JOIN {found}
WHERE g.client_id = %(client)s {on}
ORDER BY g.id LIMIT %(limit)s
"""
_GROUPS_OF_SQLITE = _GROUPS_OF.format(
    found="contacts_contact found",  # CROSS JOIN: in this order
    on="AND found.contact_set_id = g.contact_set_id AND found.email_key = %(key)s",
)
# LIMIT makes every group a search in the unique index: see contact_sets.
_GROUPS_OF_POSTGRESQL = _GROUPS_OF.format(
    found="""LATERAL (
        SELECT email, name, fields FROM contacts_contact
        WHERE contact_set_id = g.contact_set_id AND email_key = %(key)s LIMIT 1
    ) AS found""",
    on="",
)


def find_contacts(contact_set_id: int, *, begins_with: str = "", after: str = "") -> FoundPage:
    """A set's contacts in their order; or those whose address begins with a text, by address."""
    if begins_with:
        keyed = _beginning(contact_set_id, prefix_key(begins_with), after)
    else:
        start = int(after) if after.isdecimal() else 0
        page = contact_page(contact_set_id, start, PAGE_CONTACTS + 1)
        keyed = [(str(contact.id), *contact.row[1:]) for contact in page]
    shown = keyed[:PAGE_CONTACTS]
    return FoundPage([_found(*row[1:]) for row in shown], shown[-1][0] if len(keyed) > PAGE_CONTACTS else "")


def count_contacts(contact_set_ids: list[int]) -> dict[int, int]:
    """How many contacts each of these sets has. 10 ms a million."""
    if not contact_set_ids:
        return {}
    with connection.cursor() as cursor:
        marks = ",".join(["%s"] * len(contact_set_ids))
        cursor.execute(
            "SELECT contact_set_id, count(*) FROM contacts_contact "  # noqa: S608 - marks
            f"WHERE contact_set_id IN ({marks}) GROUP BY contact_set_id",
            contact_set_ids,
        )
        counts = dict(cursor.fetchall())
    return {number: counts.get(number, 0) for number in contact_set_ids}


def groups_of_address(client: Client, email_key: str) -> list[InGroup]:
    """Up to MOST_GROUPS of the client's groups that an address is in, as it stands there, the oldest first."""
    statement = _GROUPS_OF_POSTGRESQL if connection.vendor == "postgresql" else _GROUPS_OF_SQLITE
    with connection.cursor() as cursor:
        cursor.execute(statement, {"client": client.pk, "key": email_key, "limit": MOST_GROUPS})
        return [InGroup(object_id, tag, _found(*row)) for object_id, tag, *row in cursor.fetchall()]


def remove_address(contact_set_ids: list[int], email_key: str) -> int:
    """Delete an address from sets; from how many it was. To be called in a transaction."""
    deleted, _ = Contact.objects.filter(contact_set__in=contact_set_ids, email_key=email_key).delete()
    return deleted


def _beginning(contact_set_id: int, prefix: str, after: str) -> list[tuple[str, str, str, str]]:
    statement = _BEGINS_POSTGRESQL if connection.vendor == "postgresql" else _BEGINS_SQLITE
    values: dict[str, int | str] = {
        "contact_set": contact_set_id,
        "prefix": prefix,
        "after": after,
        "limit": PAGE_CONTACTS + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _found(email: str, name: str, fields: str) -> FoundContact:
    return FoundContact(email, name, orjson.loads(fields))
