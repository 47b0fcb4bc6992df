"""Imports as jobs: stored, carried out later, begun anew after a crash, and never half seen."""

import io
import tempfile
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from sendmill.contacts import applying, column_choice, import_jobs, import_log, importer, next_set, staging
from sendmill.contacts.column_choice import Columns
from sendmill.contacts.models import (
    ContactGroup,
    ContactSet,
    Import,
    ImportKind,
    ImportPiece,
    ImportState,
    RejectedRow,
)
from sendmill.contacts.watched_file import Interrupted
from sendmill.errors import Conflict, InvalidField
from tests.database.campaigns.making import make_client, make_group
from tests.database.contacts.making import contacts_in, csv_file, emails_of

pytestmark = pytest.mark.django_db(transaction=True)

#: More than one batch of the reader, several pieces as `small_pieces` has it, rows to reject at both ends.
PEOPLE = [f"person{number}@example.com" for number in range(9_000)]
ROWS = [
    "name,email",
    "Bad,nobody",
    *(f"Somebody,{email}" for email in PEOPLE),
    "Again,PERSON7@example.com",
    "Bad,no.one",
]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_jobs, "PIECE_BYTES", 50_000)


def job(group: ContactGroup, *lines: str, kind: ImportKind = ImportKind.REPLACE) -> Import:
    return import_jobs.add_job(group.client, kind, group, csv_file(*(lines or ROWS)), Columns(1, 0))


def run(record: Import, folder: Path, stop: threading.Event | None = None) -> Import:
    import_jobs.run_job(record.pk, folder, stop or threading.Event())
    record.refresh_from_db()
    return record


def assert_exact(record: Import, group: ContactGroup) -> None:
    """Everyone is there once, every bad row is told once, and the file is gone."""
    assert [email.lower() for email in emails_of(group)] == PEOPLE
    assert (record.state, record.accepted_rows, record.duplicate_rows) == (ImportState.DONE, len(PEOPLE) + 1, 1)
    assert record.rejected_rows == RejectedRow.objects.filter(of_import=record).count() == 2
    assert not ImportPiece.objects.exists() and import_jobs.unfinished_jobs() == []


def test_a_job_waits_until_it_is_run_and_then_is_seen_whole(tmp_path: Path) -> None:
    group = make_group(make_client())
    record = job(group)
    assert record.state == ImportState.WAITING and import_jobs.unfinished_jobs() == [record.pk]
    assert record.file_bytes == len("\n".join(ROWS)) and record.pieces.count() > 3
    assert emails_of(group) == []
    assert_exact(run(record, tmp_path), group)
    assert record.read_bytes > 0.9 * record.file_bytes
    assert list(tmp_path.iterdir()) == []


class StopsAfter(threading.Event):
    """Set from a job's so many-th look at it, which is made at each piece that it reads."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks

    def is_set(self) -> bool:
        self._looks -= 1
        return self._looks < 0


def test_what_is_stopped_anywhere_begins_anew(tmp_path: Path) -> None:
    group = make_group(make_client())
    record = job(group)
    stopped = 0
    for looks in range(100):
        if run(record, tmp_path, StopsAfter(looks)).state == ImportState.DONE:
            break
        stopped += 1
        assert emails_of(group) == [] and import_jobs.unfinished_jobs() == [record.pk]
        applying.recover_imports(timezone.now() + timedelta(hours=1))  # which is for bulk calls
    assert stopped > record.file_bytes / import_jobs.PIECE_BYTES
    assert_exact(record, group)


def test_a_node_that_was_thought_dead_does_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second node takes the job over between two batches of the first, and is done before that one's next."""
    group = make_group(make_client())
    record = job(group)
    first = staging.begin_anew(record.pk)
    assert first is not None and first.staging_set_id is not None
    staging.beat(first, ImportState.RECEIVING)
    assert_exact(run(record, tmp_path), group)
    first.accepted_rows = 5
    with pytest.raises(Conflict):
        staging.beat(first, ImportState.RECEIVING)
    with pytest.raises(Conflict):
        staging.finish_unseen(first)
    record.refresh_from_db()
    assert_exact(record, group)


@pytest.mark.parametrize("kind", [ImportKind.UPDATE, ImportKind.DELETE])
def test_a_late_merge_leaves_the_import_to_who_took_it_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: ImportKind
) -> None:
    group = make_group(make_client())
    run(job(group), tmp_path)
    record = job(group, "name,email", "New,new@example.com", *(f"X,{email}" for email in PEOPLE[:20]), kind=kind)
    wait_for_turn = next_set._wait_for_turn

    def is_overtaken(late: Import) -> int | None:
        base = wait_for_turn(late)
        monkeypatch.setattr(next_set, "_wait_for_turn", wait_for_turn)
        assert run(record, tmp_path).state == ImportState.DONE  # by another node
        return base

    monkeypatch.setattr(next_set, "_wait_for_turn", is_overtaken)
    assert run(record, tmp_path).state == ImportState.DONE
    assert [email.lower() for email in emails_of(group)] == (
        [*PEOPLE, "new@example.com"] if kind == ImportKind.UPDATE else PEOPLE[20:]
    )


@pytest.mark.parametrize("kind", [ImportKind.UPDATE, ImportKind.DELETE])
def test_one_that_died_while_applying_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: ImportKind
) -> None:
    group = make_group(make_client())
    run(job(group), tmp_path)
    record = job(group, "name,email", "New,new@example.com", *(f"X,{email}" for email in PEOPLE[:6_000]), kind=kind)

    def dies(_import_id: int) -> None:
        applying.take_step(record.pk)
        raise Interrupted

    monkeypatch.setattr(import_jobs.importer, "apply_import", dies)
    run(record, tmp_path)
    monkeypatch.undo()
    assert run(record, tmp_path).state == ImportState.DONE
    left = [email.lower() for email in emails_of(group)]
    assert left == ([*PEOPLE, "new@example.com"] if kind == ImportKind.UPDATE else PEOPLE[6_000:])
    assert not ImportPiece.objects.exists()


def test_a_dry_run_counts_and_changes_nothing(tmp_path: Path) -> None:
    client = make_client()
    record = import_jobs.add_job(
        client, ImportKind.UPDATE, None, csv_file(*ROWS), Columns(1, 0), tag="New", dry_run=True
    )
    run(record, tmp_path)
    assert (record.state, record.accepted_rows, record.duplicate_rows, record.rejected_rows) == (
        ImportState.DONE, len(PEOPLE) + 1, 1, 2,
    )  # fmt: skip
    assert record.staging_set_id is None and not ContactGroup.objects.exists()
    assert not ImportPiece.objects.exists()


def test_a_tag_names_the_oldest_group_of_the_client_or_a_new_one() -> None:
    client, other = make_client(), make_client("Other")
    make_group(other, "People")
    made = import_jobs.add_job(client, ImportKind.UPDATE, None, csv_file(*ROWS), Columns(1, 0), tag="People").group
    assert made is not None and made.client_id == client.pk and made.tag == "People"
    make_group(client, "People")
    again = import_jobs.add_job(client, ImportKind.UPDATE, None, csv_file(*ROWS), Columns(1, 0), tag="People").group
    assert again == made
    with pytest.raises(InvalidField, match="tag: There is no group"):
        import_jobs.add_job(client, ImportKind.DELETE, None, csv_file(*ROWS), Columns(1, 0), tag="Nobody")


def test_a_file_that_was_never_stored_whole_is_given_up_and_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = make_group(make_client())
    file = io.BytesIO("\n".join(ROWS).encode())
    beat = staging.beat
    beats = iter(range(3))

    def breaks(record: Import, expected: ImportState) -> None:
        if next(beats) == 2:
            raise OSError("the machine is gone")
        beat(record, expected)

    monkeypatch.setattr(staging, "beat", breaks)
    with pytest.raises(OSError, match="gone"):
        import_jobs.add_job(group.client, ImportKind.REPLACE, group, file, Columns(1, 0))
    monkeypatch.undo()
    assert import_jobs.unfinished_jobs() == []
    applying.recover_imports(timezone.now() + timedelta(hours=1))
    [record] = Import.objects.all()
    assert record.state == ImportState.FAILED and "stopped while the file" in record.error
    run(record, tmp_path)
    assert not ImportPiece.objects.exists()


def test_a_file_that_is_wrong_further_down_fails_with_the_reason(tmp_path: Path) -> None:
    group = make_group(make_client())
    open_quotes = [f'"never closed {number} {"x" * 3_000},a@b.example' for number in range(2_000)]
    record = run(job(group, "name,email", *open_quotes), tmp_path)
    if record.state == ImportState.FAILED:
        assert "never closed" in record.error
    assert emails_of(group) == [] and not ImportPiece.objects.exists()


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, (None, 0)),
        ({"email_column": "e-MAIL", "name_column": " City "}, (1, 2)),
        ({"email_index": 1, "name_index": 2}, (1, 2)),
    ],
)
def test_columns_by_heading(chosen: dict[str, str | int], expected: tuple[int | None, int]) -> None:
    with tempfile.TemporaryFile() as file:
        file.write("Name;E-Mail;City\nZoë;zoe@example.com;Bern\n".encode())
        assert column_choice.choose_columns(file, **chosen) == expected  # type: ignore[arg-type]


def test_an_unknown_heading_names_the_field_and_the_known_ones() -> None:
    with pytest.raises(InvalidField, match=r'name_column: No column is headed "First".*"name", "email"'):
        column_choice.choose_columns(csv_file("Name,Email", "a,a@b.example"), name_column="First")


def staged_job(*lines: str) -> Import:
    return import_jobs.add_job(make_client(), ImportKind.STAGE, None, csv_file(*(lines or ROWS)), Columns(1, 0))


def test_a_staged_list_waits_for_its_group_and_keeps_its_file_until_then(tmp_path: Path) -> None:
    record = run(staged_job(), tmp_path)
    assert (record.state, record.duplicate_rows, record.rejected_rows) == (ImportState.STAGED, 1, 2)
    assert import_jobs.unfinished_jobs() == [] and ImportPiece.objects.exists()
    assert list(import_log.import_pages(record.client)) == [], "it is part of a draft"
    run(record, tmp_path)  # who found it just before it was staged
    assert record.state == ImportState.STAGED and ImportPiece.objects.exists()
    with transaction.atomic():
        group = importer.add_group_of(record, tag="Readers")
    record.refresh_from_db()
    assert record.kind == ImportKind.REPLACE and import_jobs.unfinished_jobs() == [record.pk]
    run(record, tmp_path)
    assert_exact(record, group)


def test_a_list_can_be_read_anew_while_it_is_being_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = staged_job("a@old.test,a@new.test", "b@old.test,b@new.test")
    in_the_middle(monkeypatch, lambda: import_jobs.read_anew(record, Columns(0, None)))
    assert run(record, tmp_path).state == ImportState.WAITING
    assert run(record, tmp_path).state == ImportState.STAGED
    assert record.staging_set_id is not None
    assert [email for email, _, _ in contacts_in(record.staging_set_id)] == ["a@old.test", "b@old.test"]


def test_a_list_discarded_while_it_is_read_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = staged_job()
    in_the_middle(monkeypatch, lambda: staging.discard(Import.objects.get(pk=record.pk)))
    import_jobs.run_job(record.pk, tmp_path, threading.Event())
    import_jobs.run_job(record.pk, tmp_path, threading.Event())
    assert not Import.objects.exists() and not ImportPiece.objects.exists() and not RejectedRow.objects.exists()
    assert not ContactSet.objects.filter(retired_on=None).exists()


def in_the_middle(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have somebody do this once, just before the first rows are counted."""
    count_rows = next_set.count_rows

    def after_the_act(*arguments: Any) -> None:
        monkeypatch.setattr(next_set, "count_rows", count_rows)
        act()
        count_rows(*arguments)

    monkeypatch.setattr(next_set, "count_rows", after_the_act)
