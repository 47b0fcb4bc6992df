"""Looking into a set of contacts: a part of it, or those whose address holds some text. For people, not for programs.

Both work on sets of either layout. Of pages the search reads the keys alone: 25 MB for a million contacts.
"""

from collections.abc import Iterator
from itertools import islice

import orjson
from django.db import connection

from sendmill.addresses import prefix_key
from sendmill.contacts.contact_sets import contact_page
from sendmill.contacts.fragments import StoredContact
from sendmill.contacts.models import Contact, ContactSet, Layout
from sendmill.contacts.pages import Place, count_contacts, places, read_page

_MATCHING = """
SELECT s.number, s.page_id, s.size FROM contacts_setpage s JOIN contacts_contactpage p ON p.id = s.page_id
WHERE s.contact_set_id = %s AND {position} > 0
ORDER BY s.number
"""
_MATCHING_SQLITE = _MATCHING.format(position="instr(p.keys, %s)")
_MATCHING_POSTGRESQL = _MATCHING.format(position="strpos(p.keys, %s)")


def contact_count(contact_set: ContactSet) -> int:
    """How many contacts a set has."""
    if contact_set.layout == Layout.PAGES:
        return count_contacts(contact_set.pk)
    return Contact.objects.filter(contact_set=contact_set).count()


def contacts_at(contact_set: ContactSet, offset: int, limit: int) -> list[StoredContact]:
    """Up to `limit` contacts behind the first `offset` ones, each [email, name, fields, …]."""
    if contact_set.layout == Layout.ROWS:
        rows = Contact.objects.filter(contact_set=contact_set).order_by("contact_set_id", "pk")[offset : offset + limit]
        return [[row.email, row.name, orjson.loads(row.fields)] for row in rows]
    return list(islice(_from(contact_set.pk, offset), limit))


def search_contacts(contact_set: ContactSet, text: str, limit: int) -> list[StoredContact]:
    """The first `limit` contacts whose address holds the text, in any case. An international domain is found whole."""
    wanted = _key_with(text.strip())
    if contact_set.layout == Layout.ROWS:
        return list(islice(_matching_rows(contact_set.pk, wanted), limit))
    return list(islice(_matching(contact_set.pk, wanted), limit))


def _key_with(text: str) -> str:
    """What the keys of addresses that hold the text hold of it."""
    return prefix_key(f"a{text}")[1:] if text.startswith("@") else prefix_key(text)


def _from(contact_set_id: int, offset: int) -> Iterator[StoredContact]:
    for place in places(contact_set_id):
        if offset >= place.size:
            offset -= place.size
            continue
        yield from map(orjson.loads, read_page(place).fragments[offset:])
        offset = 0


def _matching(contact_set_id: int, wanted: str) -> Iterator[StoredContact]:
    with connection.cursor() as cursor:
        cursor.execute(
            _MATCHING_POSTGRESQL if connection.vendor == "postgresql" else _MATCHING_SQLITE,
            [contact_set_id, wanted],
        )
        for row in cursor:
            page = read_page(Place(*row))
            for key, text in zip(page.keys, page.fragments, strict=True):
                if wanted in key:
                    yield orjson.loads(text)


def _matching_rows(contact_set_id: int, wanted: str) -> Iterator[StoredContact]:
    last = 0
    while rows := contact_page(contact_set_id, last):
        for _, (key, email, name, fields) in rows:
            if wanted in key:
                yield [email, name, orjson.loads(fields)]
        last = rows[-1].id
