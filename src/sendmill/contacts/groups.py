"""Contact groups: add, rename, delete, and reading the contacts of one."""

from collections.abc import Iterator
from datetime import timedelta

import orjson
from django.db import transaction
from django.utils import timezone

from sendmill.accounts.models import Client
from sendmill.accounts.resources import find_for_update, touch
from sendmill.contacts.contact_sets import GRACE, PAGE_CONTACTS, contact_page, retire
from sendmill.contacts.fragments import StoredContact
from sendmill.contacts.layouts import new_set
from sendmill.contacts.models import ContactGroup, ContactSet, Layout
from sendmill.contacts.pages import find_contacts, places
from sendmill.errors import NotFound

# Clocks of several machines differ, and a purge begins by the clock of another.
_MARGIN = timedelta(minutes=1)


class ContactsGone(Exception):
    """The set that was being read has been purged: what was read of it may be incomplete."""


@transaction.atomic
def add_group(client: Client, *, tag: str) -> ContactGroup:
    """A new group without contacts."""
    now = timezone.now()
    return ContactGroup.objects.create(client=client, tag=tag, contact_set=new_set(), created_on=now, modified_on=now)


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


def hold_group(group: ContactGroup) -> None:
    """Keep a group from being deleted until the transaction that this must be called in ends. Raises NotFound if it
    was, as it may be while its file comes in."""
    if not ContactGroup.objects.select_for_update(no_key=True).filter(pk=group.pk).values_list("pk", flat=True):
        raise NotFound("The contact group was deleted.")


def contact_pages(contact_set_id: int) -> Iterator[list[StoredContact]]:
    """The contacts of a set in the order they were added, each as [email, name, fields, …], in pages, none empty.

    Every page is a short read of its own. An import that changes the group's contacts in the meantime points the
    group at another set; this one stays for a grace period, so that a reader sees all of the old contacts. One that
    is too slow even for that gets ContactsGone, never a silently short list.
    """
    layout = ContactSet.objects.filter(pk=contact_set_id).values_list("layout", flat=True).first()
    pages = _pages_of_rows(contact_set_id) if layout == Layout.ROWS else _pages(contact_set_id)
    while True:
        page = next(pages, None)
        if not _is_kept(contact_set_id):
            raise ContactsGone(f"Contact set {contact_set_id} has been purged, or is about to be.")
        if page is None:
            return
        if page:  # not the last one of somebody who was erased meanwhile
            yield page


def _pages(contact_set_id: int) -> Iterator[list[StoredContact]]:
    for place in places(contact_set_id):
        text = find_contacts(place)  # one at a time: two or four take half as much time again, in the processor's cache
        yield [] if text is None else orjson.loads(text)


def _pages_of_rows(contact_set_id: int) -> Iterator[list[StoredContact]]:
    last = 0
    while page := contact_page(contact_set_id, last, PAGE_CONTACTS):
        yield [[email, name, orjson.loads(fields)] for _, (_, email, name, fields) in page]
        last = page[-1].id


def _is_kept(contact_set_id: int) -> bool:
    """Whether no contact of the set can have been purged yet. The purge ends with the set and not with its contacts,
    so that the set is there says little."""
    found = ContactSet.objects.filter(pk=contact_set_id).values_list("retired_on", flat=True)
    return any(retired_on is None or timezone.now() - retired_on < GRACE - _MARGIN for retired_on in found)
