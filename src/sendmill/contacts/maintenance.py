"""What the scheduler does for contacts: finish what a crash has interrupted, and purge what nobody reads any more.

Both do a bounded piece of work and return whether there may be more.
"""

from collections.abc import Sequence
from itertools import islice

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from sendmill.contacts import applying
from sendmill.contacts.contact_sets import GRACE, contact_page
from sendmill.contacts.models import Contact, ContactPage, ContactSet, Layout, SetPage
from sendmill.contacts.pages import places

PURGE_PAGES = 50
PURGE_CONTACTS = 5_000

_LOCK_CLASS = 0x5E4E
"""The first number of the advisory lock of who purges, next to that of campaigns (`campaigns.lifecycle`)."""


def silent_imports() -> Sequence[int]:
    """The imports that `recover_imports` has to see to."""
    return applying.silent_imports(timezone.now())


def recover_imports() -> bool:
    """See to the imports whose process has died: those that were receiving have failed, the others are finished."""
    applying.recover_imports(timezone.now())
    return False


def retired_sets() -> Sequence[int]:
    """A set to purge, if there is one."""
    return list(_retired_sets().values_list("pk", flat=True)[:1])


@transaction.atomic
def purge_retired_sets() -> bool:
    """Delete up to PURGE_PAGES pages of a set that has been retired for GRACE, and at last the set itself.

    A page that another set shares stays. Of rows, PURGE_CONTACTS are deleted.

    A set stays while a campaign that is expanding has it pinned.
    """
    if not _is_alone():
        return False
    contact_set = _retired_sets().select_for_update(no_key=True, of=("self",)).order_by("pk").first()
    if contact_set is None:
        return False
    purge = _purge_rows if contact_set.layout == Layout.ROWS else _purge_pages
    if purge(contact_set.pk):
        contact_set.delete()
    return True


def _is_alone() -> bool:
    """Whether nobody else purges until the end of the transaction. Of two who purge sets that share a page, each would
    see that the other's set has it still, and nobody would ever delete it."""
    if connection.vendor == "sqlite":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, 0)", [_LOCK_CLASS])
        return bool(cursor.fetchone()[0])


def _retired_sets() -> QuerySet[ContactSet]:
    return ContactSet.objects.filter(retired_on__lt=timezone.now() - GRACE, pins=0, groups__isnull=True)


def _purge_pages(contact_set_id: int) -> bool:
    """True if none is left."""
    found = list(islice(places(contact_set_id, at_once=PURGE_PAGES), PURGE_PAGES))
    page_ids = {place.page_id for place in found}
    SetPage.objects.filter(contact_set_id=contact_set_id, number__in=[place.number for place in found]).delete()
    page_ids -= set(SetPage.objects.filter(page_id__in=page_ids).values_list("page_id", flat=True))
    ContactPage.objects.filter(pk__in=page_ids).delete()
    return len(found) < PURGE_PAGES


def _purge_rows(contact_set_id: int) -> bool:
    page = contact_page(contact_set_id, 0, PURGE_CONTACTS)
    Contact.objects.filter(pk__in=[contact.id for contact in page]).delete()
    return len(page) < PURGE_CONTACTS
