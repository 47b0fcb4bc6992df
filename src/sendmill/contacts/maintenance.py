"""What the scheduler does for contacts: finish what a crash has interrupted, and purge what nobody reads any more.

Both do a bounded piece of work and return whether there may be more.
"""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from sendmill.contacts import applying
from sendmill.contacts.contact_sets import GRACE, contact_page
from sendmill.contacts.models import Contact, ContactSet

PURGE_CONTACTS = 5_000


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
    """Delete up to PURGE_CONTACTS contacts of a set that has been retired for GRACE, and at last the set itself.

    A set stays while a campaign that is expanding has it pinned.
    """
    contact_set = _retired_sets().select_for_update(no_key=True, skip_locked=True, of=("self",)).order_by("pk").first()
    if contact_set is None:
        return False
    page = contact_page(contact_set.pk, 0, PURGE_CONTACTS)
    Contact.objects.filter(pk__in=[contact.id for contact in page]).delete()
    if len(page) < PURGE_CONTACTS:
        contact_set.delete()
    return True


def _retired_sets() -> QuerySet[ContactSet]:
    return ContactSet.objects.filter(retired_on__lt=timezone.now() - GRACE, pins=0, groups__isnull=True)
