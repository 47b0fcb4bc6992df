"""Contact groups: add, rename, delete, and reading the contacts of one."""

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from sendmill.accounts.models import Client
from sendmill.accounts.resources import find_for_update, touch
from sendmill.contacts.contact_sets import GRACE, PAGE_CONTACTS, StoredContact, contact_page, retire
from sendmill.contacts.models import ContactGroup, ContactSet

# Clocks of several machines differ, and a purge begins by the clock of another.
_MARGIN = timedelta(minutes=1)


class ContactsGone(Exception):
    """The set that was being read has been purged: what was read of it may be incomplete."""


class ContactRow(NamedTuple):
    """What a group shows of a contact."""

    name: str
    email: str


@transaction.atomic
def add_group(client: Client, *, tag: str) -> ContactGroup:
    """A new group without contacts."""
    now = timezone.now()
    return ContactGroup.objects.create(
        client=client, tag=tag, contact_set=ContactSet.objects.create(), created_on=now, modified_on=now
    )


@transaction.atomic
def rename_group(client: Client, object_id: str, *, tag: str) -> ContactGroup:
    """Change a group's tag. Raises NotFound."""
    group = find_for_update(ContactGroup, client, object_id)
    group.tag = tag
    touch(group)
    group.save(update_fields=["tag", "modified_on"])
    return group


@transaction.atomic
def delete_group(client: Client, object_id: str) -> None:
    """Delete a group and retire its contacts; they are purged later, in short batches.

    Raises NotFound. That no campaign still to start needs it is for the caller to know.
    """
    group = find_for_update(ContactGroup, client, object_id)
    group.delete()
    retire(group.contact_set_id, has_readers=True)


def contact_pages(contact_set_id: int) -> Iterator[list[ContactRow]]:
    """The contacts of a set in the order they were added, in pages of up to `PAGE_CONTACTS`.

    Every page is a short read of its own. An import that replaces the group's contacts in the meantime points the
    group at another set; this one stays for a grace period, so that a reader sees all of the old contacts. One that
    is too slow even for that gets ContactsGone, never a silently short list.
    """
    for page in stored_pages(contact_set_id):
        yield [ContactRow(name, email) for _, (_, email, name, _) in page]


def stored_pages(contact_set_id: int) -> Iterator[list[StoredContact]]:
    """Like `contact_pages`, with all that is stored of each contact."""
    last = 0
    while True:
        page = contact_page(contact_set_id, last, PAGE_CONTACTS)
        if not _is_kept(contact_set_id):
            raise ContactsGone(f"Contact set {contact_set_id} has been purged, or is about to be.")
        if page:
            yield page
        if len(page) < PAGE_CONTACTS:
            return
        last = page[-1].id


def _is_kept(contact_set_id: int) -> bool:
    """Whether no contact of the set can have been purged yet. The purge ends with the set and not with its contacts,
    so that the set is there says little."""
    found = ContactSet.objects.filter(pk=contact_set_id).values_list("retired_on", flat=True)
    return any(retired_on is None or timezone.now() - retired_on < GRACE - _MARGIN for retired_on in found)
