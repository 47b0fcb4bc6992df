"""One address in all groups of a client: where it is, and how it is taken out for good.

In sets of rows it is a search in an index. In sets of pages it is looked for in the pages' keys, a line each: a
thousand contacts at a time, a million in some 30 ms.
"""

from typing import Any, NamedTuple

import orjson
from django.db import connection

from sendmill.accounts.models import Client
from sendmill.contacts.fragments import StoredContact
from sendmill.contacts.models import Contact, ContactPage, SetPage
from sendmill.contacts.pages import Page, Place, contacts_of, read_page

MOST_GROUPS = 200
"""So many groups of one address are shown."""


class InGroup(NamedTuple):
    """A contact in one of the client's groups. `fields` is every other column, header to value."""

    group_object_id: str
    tag: str
    email: str
    name: str
    fields: dict[str, str]


_PAGES = """
SELECT {columns} s.number, s.page_id, s.size
FROM {sets} JOIN contacts_contactpage p ON p.id = s.page_id
WHERE {of} AND {line} > 0
ORDER BY {order}
"""
_LINE_SQLITE = "instr(char(10) || p.keys || char(10), char(10) || %(key)s || char(10))"
_LINE_POSTGRESQL = "strpos(chr(10) || p.keys || chr(10), chr(10) || %(key)s || chr(10))"
_PAGES_OF_GROUPS = {
    "columns": "g.object_id, g.tag,",
    "sets": "contacts_contactgroup g JOIN contacts_setpage s ON s.contact_set_id = g.contact_set_id",
    "of": "g.client_id = %(owner)s",
    "order": "g.id LIMIT %(limit)s",
}
_PAGES_OF_SET = {
    "columns": "", "sets": "contacts_setpage s", "of": "s.contact_set_id = %(owner)s", "order": "s.number",
}  # fmt: skip

_ROWS = """
SELECT g.object_id, g.tag, found.email, found.name, found.fields
FROM contacts_contactgroup g CROSS JOIN {found}
WHERE g.client_id = %(owner)s {on}
ORDER BY g.id LIMIT %(limit)s
"""
_ROWS_SQLITE = _ROWS.format(
    found="contacts_contact found",  # CROSS JOIN: in this order
    on="AND found.contact_set_id = g.contact_set_id AND found.email_key = %(key)s",
)
# LIMIT makes every group a search in the unique index: see contact_sets.
_ROWS_POSTGRESQL = _ROWS.format(
    found="""LATERAL (
        SELECT email, name, fields FROM contacts_contact
        WHERE contact_set_id = g.contact_set_id AND email_key = %(key)s LIMIT 1
    ) AS found""",
    on="",
)


def groups_of_address(client: Client, email_key: str) -> list[InGroup]:
    """Up to MOST_GROUPS of the client's groups that an address is in, as it stands there, the oldest first."""
    found = []
    for object_id, tag, *place in _pages(_PAGES_OF_GROUPS, client.pk, email_key):
        page = read_page(Place(*place))
        email, name, fields, *_ = _contact(page, email_key)
        found.append(InGroup(object_id, tag, email, name, fields))
    with connection.cursor() as cursor:
        statement = _ROWS_POSTGRESQL if connection.vendor == "postgresql" else _ROWS_SQLITE
        cursor.execute(statement, {"owner": client.pk, "key": email_key, "limit": MOST_GROUPS})
        rows: list[Any] = cursor.fetchall()
    found += [
        InGroup(object_id, tag, email, name, orjson.loads(fields)) for object_id, tag, email, name, fields in rows
    ]
    return found[:MOST_GROUPS]


def remove_address(contact_set_ids: list[int], email_key: str) -> int:
    """Take an address out of sets; out of how many it was. To be called in a transaction, while no import reads them.

    Pages are written anew without it, and other sets that share them change with them; one that is empty then goes. An
    expansion takes whole pages, so none is cut short by it.
    """
    removed, _ = Contact.objects.filter(contact_set__in=contact_set_ids, email_key=email_key).delete()
    sharing = set()
    for contact_set_id in contact_set_ids:
        for number, page_id, size in _pages(_PAGES_OF_SET, contact_set_id, email_key):
            sharing |= set(SetPage.objects.filter(page_id=page_id).values_list("contact_set_id", flat=True))
            _rewrite(read_page(Place(number, page_id, size)), email_key)
    return removed + len(sharing & set(contact_set_ids))


def _rewrite(page: Page, email_key: str) -> None:
    index = page.keys.index(email_key)
    keys, fragments = list(page.keys), list(page.fragments)
    del keys[index], fragments[index]
    of_page = SetPage.objects.filter(page_id=page.place.page_id)
    if not keys:
        of_page.delete()
        ContactPage.objects.filter(pk=page.place.page_id).delete()
        return
    contacts = Page.of(page.place, keys, fragments).contacts
    ContactPage.objects.filter(pk=page.place.page_id).update(keys="\n".join(keys), contacts=contacts)
    of_page.update(size=len(keys))


def _contact(page: Page, email_key: str) -> StoredContact:
    return contacts_of(page)[page.keys.index(email_key)]


def _pages(which: dict[str, str], owner: int, email_key: str) -> list[Any]:
    line = _LINE_POSTGRESQL if connection.vendor == "postgresql" else _LINE_SQLITE
    with connection.cursor() as cursor:
        values: dict[str, int | str] = {"owner": owner, "key": email_key, "limit": MOST_GROUPS}
        cursor.execute(_PAGES.format(line=line, **which), values)
        return list(cursor.fetchall())
