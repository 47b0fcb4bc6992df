"""Applying an import whose rows are staged: the steps that make them visible. (An update or delete in the layout of
pages is merged in `next_set`, whose last step is this module's `point`.)

Every step is one short transaction that locks what it changes, so that any number of processes may work on the same
import, and one that finds another's half-done goes on with it. Locks are taken in this order: contact group, import,
contact sets.

Of one group at most one import is `applying`; the others wait for it. So nobody changes the contacts that a successor
set is being made of.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum, auto
from itertools import islice

from django.db import OperationalError, connection, transaction
from django.utils import timezone

from sendmill.accounts.resources import touch
from sendmill.contacts.contact_sets import contact_page, count_written, retire
from sendmill.contacts.layouts import page_of_rows
from sendmill.contacts.models import OF_OPTOUTS, ContactGroup, ContactSet, Import, ImportKind, ImportState, Layout
from sendmill.contacts.pages import Addresses, addresses_of, places
from sendmill.contacts.staging import beat, finish, give_up, is_merging
from sendmill.contacts.successor import PAGE_ROWS, merge_at_once, take_over_page
from sendmill.optouts.bulk import add_optouts, delete_optouts

AT_ONCE_ROWS = 5_000
"""Up to so many staged rows are merged in one transaction."""

OPTOUT_PAGES = 4
"""Pages of addresses that are opted out in one transaction: some 20 ms on SQLite."""

SILENCE = timedelta(minutes=2)
"""An import without a sign of life for so long has lost its process. SQLite waits 30 s for a lock."""

WAIT_SECONDS = 0.05

DEAD_SECONDS = 5.0
"""Who waits for a merge, which shows a sign of life every half a second, and sees none for so long, goes on."""

_LOOK_SECONDS = 0.5
_DEADLOCK = "40P01"
_STOPPED_IN_MERGE = "The server stopped while contacts were merged. Nothing has changed."


class Step(Enum):
    """What there is to do after a step."""

    MORE = auto()
    WAIT = auto()  # for another import of the group
    FINISHED = auto()


def apply_import(import_id: int) -> None:
    """Take all the steps of an import that has received its rows, or has begun to apply them."""
    predecessor = Predecessor(import_id)
    while (step := _step_taken(import_id)) != Step.FINISHED:
        if step == Step.WAIT:
            predecessor.wait()


def _step_taken(import_id: int) -> Step:
    """A step; once more if PostgreSQL ended it for the good of another, as of two lists with the same addresses in
    different orders it does when each waits for the other's."""
    while True:
        try:
            return take_step(import_id)
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") != _DEADLOCK:
                raise


class Predecessor:
    """The import that this one waits for, as two imports of a group take turns."""

    def __init__(self, import_id: int) -> None:
        self._import_id = import_id
        self._seen: tuple[int, datetime] | None = None
        self._looked = time.monotonic()
        self._silent = 0.0

    def wait(self) -> None:
        """Wait a little. If its process has died, end it, so that the turn is the next one's.

        Silence is counted by this process's steady clock, whatever the clocks of other machines say, and only while
        this process itself looks often enough: what holds up both, a lock or the machine, is no sign of death. To end
        the merge of a living one would do no harm but that it fails.
        """
        group = Import.objects.filter(pk=self._import_id).values("group")
        applying = Import.objects.filter(group__in=group, state=ImportState.APPLYING)
        found = applying.values_list("pk", "heartbeat_on").first()
        now = time.monotonic()
        self._silent = self._silent + min(now - self._looked, _LOOK_SECONDS) if found == self._seen else 0.0
        self._seen, self._looked = found, now
        if found and self._silent >= DEAD_SECONDS:
            end_merge(found[0], _STOPPED_IN_MERGE, lambda record: record.heartbeat_on == found[1])
        recover_imports(timezone.now())
        time.sleep(WAIT_SECONDS)


@transaction.atomic
def take_step(import_id: int) -> Step:
    """One step. Does nothing to an import that is done, failed or discarded."""
    group_id = Import.objects.filter(pk=import_id).values_list("group_id", flat=True).first()
    group = ContactGroup.objects.select_for_update(no_key=True).filter(pk=group_id or 0).first()
    record = Import.objects.select_for_update(no_key=True).filter(pk=import_id).first()
    over = (ImportState.WAITING, ImportState.DONE, ImportState.FAILED)
    if record is None or record.state in over or record.kind == ImportKind.STAGE:
        return Step.FINISHED
    if record.kind in OF_OPTOUTS:
        return _change_optouts(record)
    if group is None:
        give_up(record, "The contact group was deleted.")
        return Step.FINISHED
    if record.state == ImportState.RECEIVING:
        return _begin(record, group)
    if is_merging(record):
        return Step.WAIT
    return _build_successor(record, group)


def silent_imports(now: datetime) -> list[int]:
    """The imports whose process has died, as it seems at `now`; but for jobs, which `import_jobs` sees to."""
    unfinished = (ImportState.RECEIVING, ImportState.APPLYING)
    silent = Import.objects.filter(heartbeat_on__lt=now - SILENCE, state__in=unfinished, file_bytes__isnull=True)
    return list(silent.values_list("pk", flat=True))


def recover_imports(now: datetime) -> int:
    """See to the imports whose process has died, as it seems at `now`; how many there were.

    One that was receiving, or merging pages, has failed, and the group is as it was. Another is finished.
    """
    silent = Import.objects.filter(pk__in=silent_imports(now))
    receiving = list(silent.filter(state=ImportState.RECEIVING).values_list("pk", flat=True))
    applying = list(silent.filter(state=ImportState.APPLYING).values_list("pk", flat=True))
    for import_id in receiving:
        _give_up_if_silent(import_id, now)
    for import_id in applying:
        end_merge(
            import_id,
            _STOPPED_IN_MERGE,
            lambda record: record.heartbeat_on < now - SILENCE,
        )
        apply_import(import_id)
    return len(receiving) + len(applying)


@transaction.atomic
def _give_up_if_silent(import_id: int, now: datetime) -> None:
    silent = Import.objects.select_for_update(no_key=True).filter(
        pk=import_id, state=ImportState.RECEIVING, heartbeat_on__lt=now - SILENCE
    )
    for record in silent:
        give_up(record, "The server stopped while the file was being received. Nothing has changed.")


@transaction.atomic
def end_merge(import_id: int, reason: str, is_meant: Callable[[Import], bool]) -> None:
    """End the merge of pages that an import was in, if it still is and is the one that is meant: nothing has changed.
    It has failed for this reason; a job waits to be begun anew."""
    record = Import.objects.select_for_update(no_key=True).filter(pk=import_id).first()
    if record is None or not is_merging(record) or not is_meant(record):
        return
    if record.file_bytes is None:
        give_up(record, reason)
    else:
        record.state = ImportState.WAITING
        record.save(update_fields=["state"])


def _begin(record: Import, group: ContactGroup) -> Step:
    """Replace, or merge at once, if that can be done in one transaction; else begin with a successor set.

    While the group is locked no campaign can start that would read its contacts: `campaigns.lifecycle.start` locks
    it too, before it pins them.
    """
    if Import.objects.filter(group=group, state=ImportState.APPLYING).exists():
        beat(record, ImportState.RECEIVING)
        return Step.WAIT
    assert record.staging_set_id is not None, "receiving"
    if record.kind == ImportKind.REPLACE:
        point(group, record.staging_set_id)
        finish(record)
        return Step.FINISHED
    if group.contact_set.layout == Layout.PAGES:
        give_up(record, "The last node of the version before was replaced meanwhile. Please send the file again.")
        return Step.FINISHED
    staged_rows = record.accepted_rows - record.duplicate_rows
    if staged_rows <= AT_ONCE_ROWS and not group.contact_set.pins:
        merge_at_once(ImportKind(record.kind), group.contact_set_id, record.staging_set_id)
        touch(group)
        group.save(update_fields=["modified_on"])
        _finish_and_drop_staged(record)
        return Step.FINISHED
    record.state = ImportState.APPLYING
    record.successor_set = ContactSet.objects.create()
    record.save(update_fields=["state", "successor_set"])
    beat(record, ImportState.APPLYING)
    return Step.MORE


def _build_successor(record: Import, group: ContactGroup) -> Step:
    if take_over_page(record, group.contact_set_id):
        beat(record, ImportState.APPLYING)
        return Step.MORE
    assert record.successor_set_id is not None, "applying"
    count_written(record.successor_set_id)
    point(group, record.successor_set_id)
    _finish_and_drop_staged(record)
    return Step.FINISHED


def _change_optouts(record: Import) -> Step:
    """Opt the next pages of addresses out, or in again. Either can be done twice without harm."""
    assert record.staging_set is not None, "not finished"
    if record.staging_set.layout == Layout.PAGES:
        found = list(islice(places(record.staging_set.pk, record.cursor, OPTOUT_PAGES), OPTOUT_PAGES))
        cursor = found[-1].number + 1 if found else 0
        addresses = addresses_of(found)
    else:
        rows = contact_page(record.staging_set.pk, record.cursor, PAGE_ROWS)
        cursor = rows[-1].id if rows else 0
        page = page_of_rows(rows)
        addresses = Addresses.of(page.contacts, "\n".join(page.keys))
    if not cursor:
        _finish_and_drop_staged(record)
        return Step.FINISHED
    if record.kind == ImportKind.OPTOUT_ADD:
        add_optouts(record.client_id, *addresses)
    else:
        delete_optouts(record.client_id, addresses.keys)
    record.state = ImportState.APPLYING
    record.cursor = cursor
    record.save(update_fields=["state"])
    beat(record, ImportState.APPLYING)
    _commit_without_waiting()
    return Step.MORE


def _commit_without_waiting() -> None:
    """PostgreSQL need not have this step on disk when it is committed: one that it forgets in a crash, and its cursor
    with it, is taken again. The last step waits, and what was committed before is on disk then too."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")


def point(group: ContactGroup, contact_set_id: int) -> None:
    """Point the group at another set: from now on readers and campaigns see that one."""
    retire(group.contact_set_id, has_readers=True)
    group.contact_set_id = contact_set_id
    touch(group)
    group.save(update_fields=["contact_set", "modified_on"])


def _finish_and_drop_staged(record: Import) -> None:
    assert record.staging_set_id is not None, "not finished"
    retire(record.staging_set_id, has_readers=False)
    finish(record)
