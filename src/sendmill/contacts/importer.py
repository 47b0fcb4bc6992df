"""Imports: a CSV file into a contact group or into the opt-outs, as one flow.

    open the file → begin → receive rows into a set of the import's own (or merge them there) → apply

Nothing is written before the file is known to be usable, and nothing is visible before all of it has been read. What
a crash leaves behind is seen to by `maintenance`.
"""

from collections.abc import Callable
from typing import BinaryIO

from django.utils import timezone

from sendmill.accounts.models import Client
from sendmill.contacts.applying import apply_import
from sendmill.contacts.csv_reader import ContactFile, open_contacts
from sendmill.contacts.models import ContactGroup, Import, ImportKind, ImportState, Layout
from sendmill.contacts.next_set import merge, receive_optouts, receive_set
from sendmill.contacts.page_cache import SMALL_KIB, page_cache
from sendmill.contacts.staging import begin_import, discard, finish, finish_unseen, keep, receive
from sendmill.errors import Conflict, NotFound, SendmillError


@page_cache(SMALL_KIB)
def run_import(
    client: Client,
    kind: ImportKind,
    group: ContactGroup | None,
    file: BinaryIO | None,
    *,
    email_index: int | None = None,
    name_index: int | None = None,
) -> Import:
    """Carry out a bulk call; when it returns, its effect is visible.

    `group` is None for the opt-outs. `file` is seekable. Raises InvalidField for `csv_file`, `email_index` or
    `name_index`, and NotFound if the group was deleted meanwhile; then nothing has changed. An import that waits for
    another one of the same group waits as long as that takes.
    """
    contacts = open_contacts(file, email_index=email_index, name_index=name_index)
    record = _received(client, kind, group, contacts)
    apply_import(record.pk)
    record.refresh_from_db()
    if record.state == ImportState.FAILED:
        raise Conflict(record.error) if record.group_id else NotFound(record.error)
    return record


@page_cache(SMALL_KIB)
def carry_out(record: Import, file: BinaryIO) -> None:
    """Do what an import that `staging.begin_anew` has prepared asks for. Raises what `run_import` raises."""
    contacts = open_contacts(file, email_index=record.email_index, name_index=record.name_index)
    _way_of(record)(record, contacts)
    if record.dry_run:
        finish_unseen(record)
    elif record.kind == ImportKind.STAGE:
        keep(record)
    else:
        apply_import(record.pk)


@page_cache(SMALL_KIB)
def receive_contacts(client: Client, file: BinaryIO | None, *, email_index: int, name_index: int) -> Import:
    """Read a file for a group that doesn't exist yet; then call `add_group_of`, or `staging.discard`.

    Raises InvalidField as `run_import` does.
    """
    contacts = open_contacts(file, email_index=email_index, name_index=name_index)
    return _received(client, ImportKind.REPLACE, None, contacts)


def add_group_of(record: Import, *, tag: str) -> ContactGroup:
    """A new group of the contacts that `receive_contacts` read, or that a job has staged. To be called in the caller's
    transaction.

    Raises Conflict if the import was given up meanwhile, or the job hasn't staged all of its rows yet.
    """
    locked = Import.objects.select_for_update(no_key=True).filter(pk=record.pk).first()
    if locked is None or locked.state == ImportState.FAILED or locked.staging_set is None:
        raise Conflict("The import took too long and was given up. Please send the file again.")
    if locked.state != (ImportState.STAGED if locked.kind == ImportKind.STAGE else ImportState.RECEIVING):
        raise Conflict("The list is still being read. Please wait until that is done.")
    now = timezone.now()
    group = ContactGroup.objects.create(
        client_id=locked.client_id, tag=tag, contact_set=locked.staging_set, created_on=now, modified_on=now
    )
    locked.group = group
    locked.kind = ImportKind.REPLACE
    locked.save(update_fields=["group", "kind"])
    finish(locked)
    return group


def _received(client: Client, kind: ImportKind, group: ContactGroup | None, contacts: ContactFile) -> Import:
    record = begin_import(client, kind, group)
    try:
        _way_of(record)(record, contacts)
    except SendmillError:
        discard(record)
        raise
    return record


def _way_of(record: Import) -> Callable[[Import, ContactFile], None]:
    assert record.staging_set is not None, "begun"
    if record.staging_set.layout == Layout.ROWS:
        return receive
    match record.kind:
        case ImportKind.UPDATE | ImportKind.DELETE if not record.dry_run:
            return merge
        case ImportKind.OPTOUT_ADD | ImportKind.OPTOUT_DELETE:
            return receive_optouts
        case _:
            return receive_set
