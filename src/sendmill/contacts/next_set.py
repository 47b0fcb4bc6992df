"""Imports in pages: the rows of a file become a set, alone or merged with the group's contacts.

    receive → replace: write the pages            → (applying) point the group at them
    receive → wait for the group → write the pages → point the group at them

Nothing that anybody sees changes before the last step, so an import whose process dies has changed nothing.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from django.conf import settings
from django.db import DatabaseError, transaction

from sendmill.contacts.applying import Predecessor, end_merge, point
from sendmill.contacts.csv_reader import Batch, ContactFile, RejectedRow
from sendmill.contacts.fragments import address_fragment
from sendmill.contacts.layouts import set_of_pages
from sendmill.contacts.merging import Merger
from sendmill.contacts.models import ContactGroup, Import, ImportKind, ImportState
from sendmill.contacts.pages import PageWriter
from sendmill.contacts.sorting import AddressSorter
from sendmill.contacts.staging import beat, count_rows, finish, give_up
from sendmill.errors import Conflict

_BEAT_SECONDS = 0.5
_REJECTED_ROWS = 1_000


class Heartbeat:
    """Signs of life of an import in this state, when it is time for one. Raises Conflict as `beat`."""

    def __init__(self, record: Import, state: ImportState) -> None:
        self._record = record
        self._state = state
        self._due = 0.0

    def is_due(self) -> bool:
        """Whether it is time for one; then the next comes a little later."""
        now = time.monotonic()
        if now < self._due:
            return False
        self._due = now + _BEAT_SECONDS
        return True

    def __call__(self) -> None:
        if self.is_due():
            beat(self._record, self._state)


def receive_set(record: Import, contacts: ContactFile) -> None:
    """Write the contacts of the file into the import's set of pages. Raises as `staging.receive`."""
    assert record.staging_set_id is not None, "begun"
    alive = Heartbeat(record, ImportState.RECEIVING)
    with _merger(record, contacts, alive) as merger:
        _receive(record, contacts, merger.receive)
        merger.write(None, PageWriter(record.staging_set_id, partial(beat, record, ImportState.RECEIVING)))
    record.duplicate_rows = record.accepted_rows - merger.distinct
    beat(record, ImportState.RECEIVING)


def receive_optouts(record: Import, contacts: ContactFile) -> None:
    """Write the addresses of the file into the import's set of pages, in order, in which an index takes them best.

    Raises as `staging.receive`.
    """
    assert record.staging_set_id is not None, "begun"
    writer = PageWriter(record.staging_set_id, partial(beat, record, ImportState.RECEIVING))
    distinct = 0
    with AddressSorter(settings.FILE_UPLOAD_TEMP_DIR) as sorter:
        _receive(record, contacts, sorter.receive)
        for addresses in sorter.sorted():
            distinct += len(addresses)
            writer.extend([key for key, _ in addresses], [address_fragment(email, key) for key, email in addresses])
    writer.close()
    record.duplicate_rows = record.accepted_rows - distinct
    beat(record, ImportState.RECEIVING)


def merge(record: Import, contacts: ContactFile) -> None:
    """Update or delete: the whole of it. Imports of one group take turns. Raises as `staging.receive`."""
    assert record.staging_set_id is not None, "begun"
    with _merger(record, contacts, Heartbeat(record, ImportState.APPLYING)) as merger:
        _receive(record, contacts, merger.receive)
        base_set_id = _wait_for_turn(record)
        if base_set_id is None:
            return
        try:
            on_write = partial(beat, record, ImportState.APPLYING)
            merger.write(set_of_pages(base_set_id, on_write), PageWriter(record.staging_set_id, on_write))
            record.duplicate_rows = record.accepted_rows - merger.distinct
            beat(record, ImportState.APPLYING)
            _point(record, base_set_id)
        except Exception:
            with suppress(DatabaseError):  # then it is found to be silent later
                end_merge(
                    record.pk,
                    "The import was interrupted. Nothing has changed.",
                    lambda found: found.staging_set_id == record.staging_set_id,
                )
            raise


def _merger(record: Import, contacts: ContactFile, alive: Callable[[], None]) -> Merger:
    return Merger(ImportKind(record.kind), contacts.size, settings.FILE_UPLOAD_TEMP_DIR, alive)


def _receive(record: Import, contacts: ContactFile, take: Callable[[Batch], None]) -> None:
    alive = Heartbeat(record, ImportState.RECEIVING)
    accepted, rejected = 0, list[RejectedRow]()
    addresses_only = record.kind not in (ImportKind.REPLACE, ImportKind.UPDATE, ImportKind.STAGE)
    for batch in contacts.batches(addresses_only=addresses_only):
        take(batch)
        accepted += len(batch.keys)
        rejected += batch.rejected
        if alive.is_due() or len(rejected) >= _REJECTED_ROWS:
            count_rows(record, accepted, rejected)
            accepted, rejected = 0, []
    count_rows(record, accepted, rejected)


def _wait_for_turn(record: Import) -> int | None:
    """The set that the group points at, when no other import of the group is being applied; from then on this one is.

    None if the group was deleted: then the import has failed.
    """
    predecessor = Predecessor(record.pk)
    while True:
        with transaction.atomic():
            group = _lock_group(record)
            if group is None:
                give_up(record, "The contact group was deleted.")
                return None
            beat(record, ImportState.RECEIVING)
            if not Import.objects.filter(group=group, state=ImportState.APPLYING).exists():
                record.state = ImportState.APPLYING
                record.save(update_fields=["state"])
                return group.contact_set_id
        predecessor.wait()


@transaction.atomic
def _point(record: Import, base_set_id: int) -> None:
    assert record.staging_set_id is not None, "applying"
    group = _lock_group(record)
    locked = Import.objects.select_for_update(no_key=True).get(pk=record.pk)
    if locked.state != ImportState.APPLYING or locked.staging_set_id != record.staging_set_id:
        raise Conflict("The import took too long and was given up. Nothing has changed; please send the file again.")
    if group is None:
        give_up(record, "The contact group was deleted.")
        return
    assert group.contact_set_id == base_set_id, "imports take turns"
    point(group, record.staging_set_id)
    finish(record)


def _lock_group(record: Import) -> ContactGroup | None:
    """None if it was deleted, maybe before the import was begun: a job waits its turn."""
    found = ContactGroup.objects.select_for_update(no_key=True).filter(pk=record.group_id or 0)
    return found.first()
