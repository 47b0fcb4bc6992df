"""A look at a set of contacts: which columns they have, and some of them to show a message as."""

from sendmill.contacts.browsing import contacts_at, search_contacts
from sendmill.contacts.fragments import StoredContact
from sendmill.contacts.models import ContactSet

SAMPLED_CONTACTS = 500
"""So many contacts' columns stand for those of all."""


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
