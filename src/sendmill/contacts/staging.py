"""Staging: the rows of an import's file, in a contact set that nobody sees yet.

They are written in short transactions, so that others can write all the while. Each of them also moves the import's
counts and heartbeat, and is refused once the import has been given up.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import orjson
from django.db import transaction
from django.utils import timezone

from sendmill.accounts.models import Client
from sendmill.contacts import csv_reader
from sendmill.contacts.ahead import made_ahead
from sendmill.contacts.contact_sets import StoredRow, count_written, retire, upsert_contacts
from sendmill.contacts.csv_reader import Batch, ContactFile, ContactRow
from sendmill.contacts.groups import hold_group
from sendmill.contacts.layouts import new_set
from sendmill.contacts.models import (
    ContactGroup,
    Import,
    ImportKind,
    ImportPiece,
    ImportState,
    Layout,
    RejectedRow,
)
from sendmill.contacts.page_cache import LARGE_KIB, page_cache
from sendmill.errors import Conflict
from sendmill.metrics import tallies

# Between two batches others get at SQLite's write lock, for which they ask every few ms.
PAUSE_SECONDS = 0.003

REJECTED_AT_ONCE = 5_000
PIECES_AT_ONCE = 20
MAX_REJECTED_ROWS = 1_000_000
"""So many rejected rows of a file are kept to be looked at; all of them are counted."""


def begin_import(client: Client, kind: ImportKind, group: ContactGroup | None) -> Import:
    """A new import with an empty staging set. Raises NotFound if the group was deleted meanwhile."""
    now = timezone.now()
    with transaction.atomic():
        if group is not None:
            hold_group(group)
        return Import.objects.create(
            client=client,
            kind=kind,
            group=group,
            staging_set=new_set(),
            heartbeat_on=now,
            created_on=now,
            modified_on=now,
        )


def begin_anew(import_id: int) -> Import | None:
    """Take an unfinished job over from whoever was receiving its file before, whose next batch is refused from now on.

    None if it is finished, discarded, or is being applied, which is gone on with instead.
    """
    with transaction.atomic():
        record = Import.objects.select_for_update(no_key=True).filter(pk=import_id).first()
        if record is None:
            return None
        if record.state not in (ImportState.WAITING, ImportState.RECEIVING) and not is_merging(record):
            return None
        _retire_own_sets(record)
        record.state = ImportState.RECEIVING
        record.staging_set = new_set()
        record.successor_set = None
        record.cursor = record.accepted_rows = record.duplicate_rows = record.rejected_rows = record.read_bytes = 0
        record.heartbeat_on = timezone.now()
        record.save()
    _delete_rejected(record)
    return record


def is_merging(record: Import) -> bool:
    """Whether contacts are being merged into a set of pages. Only who does that can go on with it."""
    return (
        record.state == ImportState.APPLYING
        and record.kind in (ImportKind.UPDATE, ImportKind.DELETE)
        and record.staging_set is not None
        and record.staging_set.layout == Layout.PAGES
    )


def receive(record: Import, contacts: ContactFile) -> None:
    """Write the rows of the file into the import's staging set, which is one of rows, and what was rejected.

    Raises InvalidField for `csv_file` if the file turns out to be no CSV, and Conflict if the import was given up
    meanwhile because it had been silent for too long.
    """
    assert record.staging_set_id is not None, "begun"
    store = _whole if record.kind in (ImportKind.REPLACE, ImportKind.UPDATE, ImportKind.STAGE) else _address
    # By map, which doesn't hold a batch any more when the next is made.
    ready = map(partial(_ready, store=store), contacts.batches())
    with page_cache(LARGE_KIB), made_ahead(ready) as batches:
        for batch in batches:
            _receive_batch(record, record.staging_set_id, batch)
            time.sleep(PAUSE_SECONDS)
    record.duplicate_rows = record.accepted_rows - count_written(record.staging_set_id)
    beat(record, ImportState.RECEIVING)


@transaction.atomic
def count_rows(record: Import, accepted: int, rejected: list[csv_reader.RejectedRow]) -> None:
    """Count rows that were received, and keep the rejected ones. A sign of life, which raises Conflict as `beat`."""
    room = max(0, MAX_REJECTED_ROWS - record.rejected_rows)
    record.accepted_rows += accepted
    record.rejected_rows += len(rejected)
    beat(record, ImportState.RECEIVING)
    RejectedRow.objects.bulk_create([RejectedRow(of_import=record, **row._asdict()) for row in rejected[:room]])


def beat(record: Import, expected: ImportState) -> None:
    """Store the import's counts and cursor with a sign of life.

    Raises Conflict if it isn't in the `expected` state any more: it was silent for too long, and given up.
    """
    record.heartbeat_on = record.modified_on = timezone.now()
    names = (
        "accepted_rows", "duplicate_rows", "rejected_rows", "read_bytes", "cursor", "heartbeat_on", "modified_on",
    )  # fmt: skip
    values = {name: getattr(record, name) for name in names}
    # By its staging set too: a job that was begun anew has another one.
    current = Import.objects.filter(pk=record.pk, state=expected, staging_set=record.staging_set_id)
    if not current.update(**values):
        raise Conflict("The import took too long and was given up. Nothing has changed; please send the file again.")


def finish(record: Import) -> None:
    """The import is done; its staging set is no longer its own."""
    record.state = ImportState.DONE
    rows = {"accepted": record.accepted_rows, "rejected": record.rejected_rows, "duplicate": record.duplicate_rows}
    tallies.add({("import_rows", (("kind", record.kind), ("result", result))): rows[result] for result in rows})
    record.staging_set = record.successor_set = None
    _end(record)


def keep(record: Import) -> None:
    """All rows are staged, and wait for the group that is made of them. Raises Conflict if it was begun anew."""
    beat(record, ImportState.RECEIVING)
    current = Import.objects.filter(pk=record.pk, state=ImportState.RECEIVING, staging_set=record.staging_set_id)
    if not current.update(state=ImportState.STAGED):
        raise Conflict("The list is being read anew.")
    record.state = ImportState.STAGED


@transaction.atomic
def finish_unseen(record: Import) -> None:
    """The import has counted what it would have done; nobody has seen its contacts, and nobody will.

    Raises Conflict if it was given up, or begun anew, meanwhile.
    """
    beat(record, ImportState.RECEIVING)
    _retire_own_sets(record)
    finish(record)


@transaction.atomic
def give_up_own(record: Import, reason: str) -> None:
    """`give_up` of an import that hasn't changed anything. Raises Conflict if it was given up, or begun anew,
    meanwhile."""
    unchanged = ImportState.RECEIVING, ImportState.WAITING
    current = Import.objects.filter(pk=record.pk, state__in=unchanged, staging_set=record.staging_set_id)
    if not current.select_for_update(no_key=True).values_list("pk", flat=True):
        raise Conflict("The import was begun anew.")
    give_up(record, reason)


@transaction.atomic
def give_up(record: Import, reason: str) -> None:
    """The import has failed for this reason. Its sets, which nobody has seen, are left to be purged."""
    _retire_own_sets(record)
    record.state = ImportState.FAILED
    record.error = reason
    record.staging_set = record.successor_set = None
    _end(record)


def discard(record: Import) -> None:
    """Leave nothing of an import that isn't done: what it was part of has been refused.

    In short transactions: a file may have a gigabyte, and a million rejected rows.
    """
    with transaction.atomic():
        # As it is now, for a job may have been begun anew with another set.
        current = Import.objects.select_for_update(no_key=True).filter(pk=record.pk).first()
        if current is None or current.state == ImportState.DONE:
            return
        give_up(current, "It was discarded.")  # who receives it is refused from now on
    _delete_rejected(current)
    drop_file(current.pk)
    current.delete()


def drop_file(import_id: int) -> None:
    """Delete a job's file, in short transactions."""
    pieces = ImportPiece.objects.filter(of_import=import_id).order_by("pk")
    while page := list(pieces.values_list("pk", flat=True)[:PIECES_AT_ONCE]):
        ImportPiece.objects.filter(pk__in=page).delete()


def _delete_rejected(record: Import) -> None:
    """Those of an attempt before, or of one that is discarded, in short transactions."""
    rows = RejectedRow.objects.filter(of_import=record).order_by("pk")
    while page := list(rows.values_list("pk", flat=True)[:REJECTED_AT_ONCE]):
        RejectedRow.objects.filter(pk__in=page).delete()


def _retire_own_sets(record: Import) -> None:
    for contact_set_id in (record.staging_set_id, record.successor_set_id):
        if contact_set_id is not None:
            retire(contact_set_id, has_readers=False)


def _end(record: Import) -> None:
    record.heartbeat_on = record.modified_on = timezone.now()
    record.save(update_fields=["state", "error", "staging_set", "successor_set", "heartbeat_on", "modified_on"])


class _ReadyBatch(NamedTuple):
    """A batch as it is written. `accepted` counts its valid rows, of which each address is in `rows` once."""

    rows: list[StoredRow]
    accepted: int
    rejected: list[csv_reader.RejectedRow]


def _ready(batch: Batch, store: Callable[[ContactRow], StoredRow]) -> _ReadyBatch:
    # A dict keeps the place of the first row with a key and the values of the last.
    rows = list({row.email_key: store(row) for row in batch.contacts}.values())
    return _ReadyBatch(rows, len(batch.keys), batch.rejected)


@transaction.atomic
def _receive_batch(record: Import, staging_set_id: int, batch: _ReadyBatch) -> None:
    count_rows(record, batch.accepted, batch.rejected)
    upsert_contacts(staging_set_id, batch.rows)


def _whole(row: ContactRow) -> StoredRow:
    return row.email_key, row.email, row.name, orjson.dumps(row.fields).decode()


def _address(row: ContactRow) -> StoredRow:
    return row.email_key, row.email, "", "{}"
