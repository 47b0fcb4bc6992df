"""In which of the two layouts contact sets are made, and one taken from the older to the newer."""

from collections.abc import Callable, Sequence

import orjson
from django.utils import timezone

from sendmill.contacts.contact_sets import StoredContact, contact_page
from sendmill.contacts.fragments import fragment
from sendmill.contacts.models import ContactSet, Layout, RollingUpgrade
from sendmill.contacts.pages import Page, PageWriter, Place


def new_set() -> ContactSet:
    """An empty set in the layout that every node can read."""
    layout = Layout.ROWS if RollingUpgrade.objects.exists() else Layout.PAGES
    return ContactSet.objects.create(layout=layout)


def finish_upgrade() -> bool:
    """No node of version 0.1.0 is at work any more: from now on sets are made of pages. False if they were already."""
    deleted, _ = RollingUpgrade.objects.all().delete()
    return deleted > 0


def set_of_pages(contact_set_id: int, on_write: Callable[[], None]) -> int:
    """A set of pages with the contacts of this one: itself, or a copy of rows that goes with the next purge."""
    if ContactSet.objects.filter(pk=contact_set_id, layout=Layout.PAGES).exists():
        return contact_set_id
    copy = ContactSet.objects.create(layout=Layout.PAGES, retired_on=timezone.now())
    writer = PageWriter(copy.pk, on_write)
    last = 0
    while rows := contact_page(contact_set_id, last):
        last = rows[-1].id
        page = page_of_rows(rows)
        writer.extend(page.keys, page.fragments)
    writer.close()
    return copy.pk


def page_of_rows(rows: Sequence[StoredContact]) -> Page:
    """The page that these contacts would be."""
    fragments = [fragment(email, key, name, orjson.loads(fields)) for _, (key, email, name, fields) in rows]
    return Page.of(Place(0, 0, len(rows)), [contact.row[0] for contact in rows], fragments)
