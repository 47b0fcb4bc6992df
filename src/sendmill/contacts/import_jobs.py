"""Imports that nobody waits for: the file is kept in the database, and a node carries the import out later.

    add_job: check the file → store it in pieces → waiting
    run_job: begin anew → fetch the file → receive → apply (or, as a dry run, only count) → drop the file

In the database any node can reach the file, also when the node that took it is gone. A node that dies in the middle
leaves the import to another, which begins at the first row again, or goes on where it was being applied. Whoever is
overtaken so has his next batch refused, for the import's staging set is another one (`staging.beat`).
"""

import tempfile
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import structlog
from django.db import DatabaseError, transaction
from django.utils import timezone

from sendmill.accounts.models import Client
from sendmill.contacts import importer, staging
from sendmill.contacts.applying import apply_import
from sendmill.contacts.column_choice import Columns
from sendmill.contacts.csv_reader import open_contacts
from sendmill.contacts.groups import add_group, hold_group
from sendmill.contacts.models import OF_OPTOUTS, ContactGroup, Import, ImportKind, ImportPiece, ImportState
from sendmill.contacts.watched_file import Interrupted, WatchedFile
from sendmill.errors import Conflict, InvalidField, NotFound, SendmillError

log = structlog.get_logger()

PIECE_BYTES = 1 << 20
# Quick rather than small: addresses come down to half, and the disk is saved more time than the processor spends.
COMPRESSION = 1
# A disk that is full is tried again.
NO_ROOM_SECONDS = 10.0


def add_job(
    client: Client,
    kind: ImportKind,
    group: ContactGroup | None,
    file: BinaryIO | None,
    columns: Columns,
    *,
    tag: str = "",
    dry_run: bool = False,
) -> Import:
    """Store an import to be carried out, for `group`, for the one called `tag`, or for the opt-outs. Raises
    InvalidField and NotFound as `run_import` does, and InvalidField for `tag` if nothing can be deleted from a group
    that there isn't. Of kind `stage` it is for a group that `importer.add_group_of` makes later.

    Until the whole file is stored it counts as being received; if this process dies meanwhile, it has failed.
    """
    record = _new_record(client, kind, group, tag, file, columns, dry_run)
    assert file is not None, "checked"
    size = 0
    file.seek(0)
    while piece := file.read(PIECE_BYTES):
        size += len(piece)
        with transaction.atomic():
            staging.beat(record, ImportState.RECEIVING)
            ImportPiece.objects.create(of_import=record, content=zlib.compress(piece, COMPRESSION))
    if not Import.objects.filter(pk=record.pk, state=ImportState.RECEIVING).update(
        state=ImportState.WAITING, file_bytes=size, heartbeat_on=timezone.now()
    ):
        raise Conflict("The import took too long and was given up. Nothing has changed; please send the file again.")
    record.refresh_from_db()
    return record


@transaction.atomic
def read_anew(record: Import, columns: Columns) -> None:
    """Have a staged file read once more, with other columns. Raises Conflict when the file isn't there any more."""
    locked = Import.objects.select_for_update(no_key=True).get(pk=record.pk, kind=ImportKind.STAGE)
    if locked.state == ImportState.FAILED or not locked.pieces.exists():
        raise Conflict("The file isn't kept any more. Please upload it again.")
    locked.state = ImportState.WAITING
    locked.email_index, locked.name_index = columns
    locked.accepted_rows = locked.rejected_rows = locked.duplicate_rows = locked.read_bytes = 0
    locked.save()


def import_now(
    client: Client, kind: ImportKind, tag: str, file: BinaryIO, columns: Columns, *, dry_run: bool = False
) -> Import:
    """Carry an import out without storing its file; what it counted. Raises what `add_job` and `run_import` raise."""
    record = staging.begin_anew(_new_record(client, kind, None, tag, file, columns, dry_run).pk)
    assert record is not None, "new"
    try:
        importer.carry_out(record, file)
    except SendmillError:
        staging.discard(record)
        raise
    record.refresh_from_db()
    if record.state == ImportState.FAILED:
        raise NotFound(record.error)
    return record


def _new_record(
    client: Client,
    kind: ImportKind,
    group: ContactGroup | None,
    tag: str,
    file: BinaryIO | None,
    columns: Columns,
    dry_run: bool,
) -> Import:
    """An import whose file is known to be usable, and whose group is there."""
    open_contacts(file, **columns._asdict())
    now = timezone.now()
    with transaction.atomic():
        if group is not None:
            hold_group(group)
        elif kind not in (*OF_OPTOUTS, ImportKind.STAGE):
            group = _group_called(client, tag, kind, dry_run)
        return Import.objects.create(
            client=client, kind=kind, group=group, dry_run=dry_run, heartbeat_on=now, created_on=now, modified_on=now,
            **columns._asdict(),
        )  # fmt: skip


def _group_called(client: Client, tag: str, kind: ImportKind, dry_run: bool) -> ContactGroup | None:
    """The client's oldest group with this tag. Without one a new group, of a dry run none. Who looks for one locks the
    client: of two that find none, one would make a second group."""
    Client.objects.select_for_update(no_key=True).get(pk=client.pk)
    groups = ContactGroup.objects.select_for_update(no_key=True)
    group = groups.filter(client=client, tag=tag).order_by("pk").first()
    if group is None and kind == ImportKind.DELETE:
        raise InvalidField("tag", "There is no group with this tag.")
    return group if group or dry_run else add_group(client, tag=tag)


def unfinished_jobs() -> Sequence[int]:
    """The imports to carry out, or to go on with, oldest first; also those of which only the file is left."""
    with_file = Import.objects.filter(pk__in=ImportPiece.objects.values("of_import"))
    unfinished = with_file.exclude(state=ImportState.RECEIVING, file_bytes=None).exclude(state=ImportState.STAGED)
    return list(unfinished.order_by("pk").values_list("pk", flat=True))


def run_job(import_id: int, folder: Path, stop: threading.Event) -> None:
    """Carry a job out, or finish it. What is wrong with its file only shows now is the job's error.

    Its file is put together in `folder`. With `stop` it ends early, and the next call begins anew.
    """
    record = staging.begin_anew(import_id)
    if record is None:
        state = Import.objects.filter(pk=import_id).values_list("state", flat=True).first()
        if state in (None, ImportState.STAGED):
            return
        apply_import(import_id)
        if not Import.objects.filter(pk=import_id, state=ImportState.WAITING).exists():
            staging.drop_file(import_id)
        return
    try:
        _carry_out(record, folder, stop)
    except Interrupted:
        log.info("import.interrupted", id=record.object_id)
        return
    except OSError as error:
        log.error("import.no_room", id=record.object_id, folder=str(folder), error=error.strerror)
        stop.wait(NO_ROOM_SECONDS)
        return
    except Conflict:
        log.warning("import.overtaken", id=record.object_id)
        return
    if record.state != ImportState.STAGED:  # whose file may be read once more, with other columns
        staging.drop_file(import_id)
    log.info("import.ended", id=record.object_id, accepted_rows=record.accepted_rows)


def _carry_out(record: Import, folder: Path, stop: threading.Event) -> None:
    try:
        with _stored_file(record, folder, stop) as file:
            importer.carry_out(record, file)
    except InvalidField as error:
        staging.give_up_own(record, error.reason)
    except (SendmillError, Interrupted, DatabaseError, OSError):
        raise
    except Exception:  # or it would end this process, and the next one that finds the job
        log.exception("import.failed", id=record.object_id)
        staging.give_up_own(record, "The server failed at this file, and its log says how. Nothing has changed.")


@contextmanager
def _stored_file(record: Import, folder: Path, stop: threading.Event) -> Iterator[BinaryIO]:
    """The job's file, in one piece on this node's disk, without a name."""

    def look(position: int) -> None:
        record.read_bytes = position
        if stop.is_set():
            raise Interrupted

    with tempfile.TemporaryFile(dir=folder) as file:
        for number in list(record.pieces.order_by("pk").values_list("pk", flat=True)):
            content = ImportPiece.objects.filter(pk=number).values_list("content", flat=True).first()
            if content is None:
                raise Conflict("The import was discarded.")
            file.write(zlib.decompress(content))
            look(0)
        file.flush()
        yield WatchedFile(file, look)
