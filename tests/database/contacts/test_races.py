"""What others do at the same moment: each test lets it happen between two statements, where nothing may hold it up."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from django.db import connection, connections
from django.utils import timezone

from sendmill.accounts.models import Client
from sendmill.contacts import applying, import_jobs, importer, maintenance, merging, staging
from sendmill.contacts.column_choice import Columns
from sendmill.contacts.groups import add_group, contact_pages, delete_group
from sendmill.contacts.models import (
    ContactGroup,
    ContactPage,
    ContactSet,
    Import,
    ImportKind,
    ImportState,
    Layout,
    RejectedRow,
    SetPage,
)
from sendmill.contacts.of_address import remove_address
from sendmill.errors import InvalidField, NotFound
from sendmill.optouts.models import OptOut
from tests.database.at_once import before_statement, somebody_else
from tests.database.campaigns.making import make_client, make_group
from tests.database.contacts.making import bulk, csv_file, emails_of

pytestmark = pytest.mark.django_db(transaction=True)

FILE = ("name,email", "Ann,ann@example.com")


@pytest.mark.parametrize("kind", [ImportKind.REPLACE, ImportKind.UPDATE, ImportKind.DELETE])
def test_a_group_deleted_while_its_file_comes_in_is_not_found(kind: ImportKind) -> None:
    group = make_group(make_client())
    found = ContactGroup.objects.get(pk=group.pk)  # as the call does, and then waits for the last byte of its file
    delete_group(group.client, group.object_id)

    with pytest.raises(NotFound):
        importer.run_import(found.client, kind, found, csv_file(*FILE), email_index=1, name_index=0)
    with pytest.raises(NotFound):
        import_jobs.add_job(found.client, kind, found, csv_file(*FILE), Columns(1, 0))
    assert not Import.objects.exists() and not ContactSet.objects.filter(retired_on=None).exists()


def test_two_jobs_for_a_new_tag_make_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    client = make_client()

    def job() -> Import:
        return import_jobs.add_job(client, ImportKind.UPDATE, None, csv_file(*FILE), Columns(1, 0), tag="New")

    def second_comes_first(owner: Client, *, tag: str) -> ContactGroup:
        monkeypatch.setattr(import_jobs, "add_group", add_group)
        others.append(does(job))
        return add_group(owner, tag=tag)

    others: list[Future[Import]] = []
    monkeypatch.setattr(import_jobs, "add_group", second_comes_first)
    with somebody_else() as does:
        mine = job()
        assert others[0].result().group == mine.group == ContactGroup.objects.get()


def test_two_purges_at_once_leave_no_page_behind() -> None:
    group = make_group(make_client())
    bulk(ImportKind.REPLACE, group, csv_file("name,email", *(f"A,a{number}@example.com" for number in range(5))))
    sets = [ContactGroup.objects.get(pk=group.pk).contact_set]
    page = SetPage.objects.get(contact_set=sets[0])
    sets.append(ContactSet.objects.create(layout=Layout.PAGES))
    SetPage.objects.create(contact_set=sets[1], number=0, page_id=page.page_id, size=page.size)
    delete_group(group.client, group.object_id)
    ContactSet.objects.update(retired_on=timezone.now() - timedelta(days=1))
    maintenance.purge_retired_sets()  # the group's first one, without contacts
    assert list(ContactSet.objects.order_by("pk")) == sets

    with before_statement('DELETE FROM "contacts_contactset"', maintenance.purge_retired_sets) as ended:
        maintenance.purge_retired_sets()
    assert ended[0].result() in (True, False)
    while maintenance.purge_retired_sets():
        pass
    assert not ContactSet.objects.exists() and not SetPage.objects.exists() and not ContactPage.objects.exists()


def test_an_overtaken_job_leaves_what_became_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = make_group(make_client())
    job = import_jobs.add_job(group.client, ImportKind.REPLACE, group, csv_file(*FILE), Columns(1, 0))

    def too_late(record: Import, file: BinaryIO) -> None:
        monkeypatch.undo()
        import_jobs.run_job(job.pk, tmp_path, threading.Event())
        raise InvalidField("csv_file", "What was left of the file is empty.")

    monkeypatch.setattr(importer, "carry_out", too_late)
    import_jobs.run_job(job.pk, tmp_path, threading.Event())
    job.refresh_from_db()
    assert (job.state, job.error) == (ImportState.DONE, "")
    assert emails_of(group) == ["ann@example.com"]


def test_a_list_that_is_begun_anew_while_it_is_dropped_leaves_nothing() -> None:
    job = import_jobs.add_job(make_client(), ImportKind.STAGE, None, csv_file(*FILE), Columns(1, 0))
    assert staging.begin_anew(job.pk) is not None
    found = Import.objects.get(pk=job.pk)
    assert staging.begin_anew(job.pk) is not None  # by another node, just now

    staging.discard(found)
    assert not Import.objects.exists() and not ContactSet.objects.filter(retired_on=None).exists()


@pytest.mark.parametrize("kind", [ImportKind.OPTOUT_ADD, ImportKind.OPTOUT_DELETE])
def test_lists_of_the_same_addresses_in_any_order_get_along(kind: ImportKind) -> None:
    client = make_client()
    emails = [f"person{number}@example.com" for number in range(1_500)]
    if kind == ImportKind.OPTOUT_DELETE:
        importer.run_import(client, ImportKind.OPTOUT_ADD, None, csv_file(*emails))
    with ThreadPoolExecutor(2) as pool:

        def run(lines: list[str]) -> ImportState:
            try:
                return ImportState(importer.run_import(client, kind, None, csv_file(*lines)).state)
            finally:
                connections.close_all()

        for _ in range(3):
            done = [pool.submit(run, lines) for lines in (emails, emails[::-1])]
            assert [future.result() for future in done] == [ImportState.DONE] * 2
            OptOut.objects.all().delete()


def test_a_reader_of_a_group_gets_whole_json_while_somebody_is_erased() -> None:
    group = make_group(make_client())
    bulk(ImportKind.REPLACE, group, csv_file("name,email", *(f"A,a{number}@example.com" for number in range(1_001))))
    group.refresh_from_db()
    pages = contact_pages(group.contact_set_id)
    read = [next(pages)]
    remove_address([group.contact_set_id], "a1000@example.com")  # who has the last page to himself
    read += pages
    assert [len(page) for page in read] == [1_000]


@pytest.mark.parametrize("kind", [ImportKind.REPLACE, ImportKind.UPDATE, ImportKind.DELETE])
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_job_whose_group_was_deleted_while_it_waited_fails(kind: ImportKind, dry_run: bool, tmp_path: Path) -> None:
    group = make_group(make_client())
    job = import_jobs.add_job(group.client, kind, group, csv_file(*FILE), Columns(1, 0), dry_run=dry_run)
    delete_group(group.client, group.object_id)

    import_jobs.run_job(job.pk, tmp_path, threading.Event())
    job.refresh_from_db()
    assert dry_run or (job.state, job.error) == (ImportState.FAILED, "The contact group was deleted.")
    assert import_jobs.unfinished_jobs() == []
    while maintenance.purge_retired_sets():
        pass
    assert not ContactSet.objects.filter(retired_on=None).exists()


@pytest.mark.parametrize("where", ["receive_set", "merging"])
def test_a_job_at_which_the_server_fails_is_not_begun_again(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = make_group(make_client())
    kind = ImportKind.UPDATE if where == "merging" else ImportKind.REPLACE
    job = import_jobs.add_job(group.client, kind, group, csv_file(*FILE), Columns(1, 0))

    def fails(*_: object) -> None:
        raise AssertionError("a fault of ours")

    monkeypatch.setattr(
        merging.Merger if where == "merging" else importer, "write" if where == "merging" else where, fails
    )
    import_jobs.run_job(job.pk, tmp_path, threading.Event())
    job.refresh_from_db()
    assert job.state == ImportState.FAILED and "Nothing has changed" in job.error
    assert import_jobs.unfinished_jobs() == []


def test_a_silent_import_that_is_discarded_just_now_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    group = make_group(make_client())
    record = staging.begin_import(group.client, ImportKind.UPDATE, group)
    Import.objects.update(state=ImportState.APPLYING, heartbeat_on=timezone.now() - timedelta(hours=1))
    end_merge = applying.end_merge

    def discarded_first(import_id: int, *values: Any) -> None:
        staging.discard(record)
        end_merge(import_id, *values)

    monkeypatch.setattr(applying, "end_merge", discarded_first)
    assert applying.recover_imports(timezone.now()) == 1
    assert not Import.objects.exists()


def test_what_is_discarded_goes_in_short_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "REJECTED_AT_ONCE", 2)
    monkeypatch.setattr(import_jobs, "PIECE_BYTES", 20)
    job = import_jobs.add_job(make_client(), ImportKind.STAGE, None, csv_file(*FILE), Columns(1, 0))
    bad = {"line": 2, "column_index": 1, "column": "email", "value": "x", "reason": "None."}
    RejectedRow.objects.bulk_create(RejectedRow(of_import=job, **bad) for _ in range(5))
    deleted: list[int] = []

    def execute(run: Callable[..., Any], sql: str, *values: Any) -> Any:
        done = run(sql, *values)
        if sql.startswith(('DELETE FROM "contacts_rejectedrow"', 'DELETE FROM "contacts_importpiece"')):
            deleted.append(values[-1]["cursor"].rowcount)
        return done

    with connection.execute_wrapper(execute):
        staging.discard(job)
    assert [count for count in deleted if count] == [2, 2, 1, 2]  # the file has two pieces
    assert not Import.objects.exists() and not RejectedRow.objects.exists()
