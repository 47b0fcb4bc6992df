"""A look at a set of contacts: how many they are, which columns they have, and one of them to show a message as."""

from collections.abc import Iterator

from sendmill.contacts.browsing import contacts_at, search_contacts
from sendmill.contacts.contact_sets import contact_page
from sendmill.contacts.fragments import StoredContact
from sendmill.contacts.models import ContactSet, Layout
from sendmill.contacts.pages import keys_of, places
from sendmill.optouts.bulk import count_optouts

SAMPLED_CONTACTS = 500
"""So many contacts' columns stand for those of all."""


def count_opted_out(client_id: int, contact_set: ContactSet) -> int:
    """Those of the set whose address the client must not mail."""
    return sum(count_optouts(client_id, keys) for keys in _keys(contact_set))


def sample_columns(contact_set: ContactSet) -> list[str]:
    """The columns of the set's first contacts beside name and address, in their order."""
    columns: dict[str, None] = {}
    for _, _, fields, *_ in contacts_at(contact_set, 0, SAMPLED_CONTACTS):
        columns.update(dict.fromkeys(fields))
    return list(columns)


def contacts_like(contact_set: ContactSet, text: str, position: int, limit: int) -> list[StoredContact]:
    """Contacts whose address holds the text (all of them for ""), behind the first `position` of these."""
    if not text.strip():
        return contacts_at(contact_set, position, limit)
    return search_contacts(contact_set, text, position + limit)[position:]


def _keys(contact_set: ContactSet) -> Iterator[list[str]]:
    """The keys of all its addresses, in pieces."""
    if contact_set.layout == Layout.PAGES:
        for place in places(contact_set.pk):
            yield keys_of(place)
        return
    last = 0
    while page := contact_page(contact_set.pk, last):
        yield [contact.row[0] for contact in page]
        last = page[-1].id
