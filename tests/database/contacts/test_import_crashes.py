"""A crash at any moment leaves a group as it was or as it should be; and two calls at once take turns.

Tests with `small_rows` are of the layout of rows alone: what is there of an import that has begun is finished.
"""

import errno
import itertools
import os
import re
import signal
import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection, connections
from django.utils import timezone

from sendmill.contacts import applying, maintenance, merging, next_set, staging
from sendmill.contacts.applying import Step, take_step
from sendmill.contacts.csv_reader import open_contacts
from sendmill.contacts.groups import add_group
from sendmill.contacts.models import (
    Contact,
    ContactGroup,
    ContactPage,
    ContactSet,
    Import,
    ImportKind,
    ImportState,
    SetPage,
)
from sendmill.errors import Conflict
from tests.database.campaigns.making import make_client
from tests.database.contacts.making import bulk, contacts_of, csv_file, emails_of, optouts_of, use_layout

OLD = [f"old{number}@example.com" for number in range(7)]
NEW = [*OLD[1:4], *(f"new{number}@example.com" for number in range(5))]
RESULTS = {
    ImportKind.REPLACE: NEW,
    ImportKind.UPDATE: OLD + NEW[3:],
    ImportKind.DELETE: [OLD[0], *OLD[4:]],
}


def lines(emails: list[str]) -> list[str]:
    return ["name,email", *(f"Somebody,{email}" for email in emails)]


def full_group() -> ContactGroup:
    group = add_group(make_client(), tag="Group")
    bulk(ImportKind.REPLACE, group, csv_file(*lines(OLD)))
    group.refresh_from_db()
    return group


def received(kind: ImportKind, group: ContactGroup) -> Import:
    """An import of NEW that is about to be applied."""
    record = staging.begin_import(group.client, kind, group)
    staging.receive(record, open_contacts(csv_file(*lines(NEW)), email_index=1, name_index=0))
    return record


def much_later() -> int:
    return applying.recover_imports(timezone.now() + timedelta(hours=1))


@pytest.fixture
def small_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    use_layout("rows", monkeypatch)


@pytest.fixture(params=["pages", "rows", "rows at once"])
def layout(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    layout: str = request.param
    use_layout(layout, monkeypatch)
    return layout


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [ImportKind.UPDATE, ImportKind.DELETE])
@pytest.mark.parametrize("steps", range(9))
def test_what_stopped_while_applying_is_finished(small_rows: None, kind: ImportKind, steps: int) -> None:
    group = full_group()
    record = received(kind, group)
    for _ in range(steps):
        if take_step(record.pk) == Step.FINISHED:
            break
        assert emails_of(group) == OLD
    record.refresh_from_db()
    began = record.state != ImportState.RECEIVING
    much_later()
    record.refresh_from_db()
    assert record.state == (ImportState.DONE if began else ImportState.FAILED)
    assert emails_of(group) == (RESULTS[kind] if began else OLD)


@pytest.mark.django_db
def test_the_last_step_is_reached(small_rows: None) -> None:
    record = received(ImportKind.UPDATE, full_group())
    assert sum(1 for _ in iter(lambda: take_step(record.pk), Step.FINISHED)) > 7


@pytest.mark.django_db
def test_the_very_first_contact_of_a_database_is_not_lost(small_rows: None) -> None:
    group = add_group(make_client(), tag="Group")
    record = received(ImportKind.UPDATE, group)
    first = Contact.objects.earliest("pk").pk
    Contact.objects.filter(pk=first).update(id=1)
    applying.apply_import(record.pk)
    assert emails_of(group) == NEW


@pytest.mark.django_db
def test_an_import_that_shows_signs_of_life_is_left_alone(small_rows: None) -> None:
    record = received(ImportKind.UPDATE, full_group())
    assert applying.recover_imports(timezone.now()) == 0
    record.refresh_from_db()
    assert record.state == ImportState.RECEIVING


@pytest.mark.django_db
def test_one_that_was_given_up_receives_no_more(small_rows: None) -> None:
    group = full_group()
    record = staging.begin_import(group.client, ImportKind.REPLACE, group)
    assert much_later() == 1
    with pytest.raises(Conflict, match="Nothing has changed"):
        staging.receive(record, open_contacts(csv_file(*lines(NEW)), email_index=1))
    record.refresh_from_db()
    assert record.state == ImportState.FAILED
    assert "server stopped" in record.error
    assert emails_of(group) == OLD


@pytest.mark.django_db
@pytest.mark.parametrize("pages", range(5))
def test_opting_out_is_finished(layout: str, pages: int) -> None:
    client = make_client()
    record = staging.begin_import(client, ImportKind.OPTOUT_ADD, None)
    receive = next_set.receive_optouts if layout == "pages" else staging.receive
    receive(record, open_contacts(csv_file(*NEW)))
    for _ in range(pages):
        take_step(record.pk)
    much_later()
    assert sorted(optouts_of(client)) == (sorted(NEW) if pages else [])


@pytest.mark.django_db
def test_imports_of_one_group_take_turns(small_rows: None) -> None:
    group = full_group()
    first, second = received(ImportKind.UPDATE, group), received(ImportKind.REPLACE, group)
    assert take_step(first.pk) == Step.MORE
    assert take_step(second.pk) == Step.WAIT
    other = received(ImportKind.REPLACE, full_group())
    assert take_step(other.pk) == Step.FINISHED
    while take_step(first.pk) == Step.MORE:
        assert take_step(second.pk) == Step.WAIT
    assert emails_of(group) == RESULTS[ImportKind.UPDATE]
    assert take_step(second.pk) == Step.FINISHED
    assert emails_of(group) == NEW


@pytest.mark.django_db
def test_who_waits_for_a_dead_one_finishes_it(small_rows: None) -> None:
    group = full_group()
    dead = received(ImportKind.UPDATE, group)
    take_step(dead.pk)
    Import.objects.filter(pk=dead.pk).update(heartbeat_on=timezone.now() - timedelta(hours=1))
    bulk(ImportKind.DELETE, group, csv_file(*lines(OLD)))
    assert emails_of(group) == NEW[3:]


@pytest.mark.django_db
def test_a_group_deleted_while_its_successor_is_made(small_rows: None) -> None:
    group = full_group()
    record = received(ImportKind.UPDATE, group)
    take_step(record.pk)
    group.delete()
    assert take_step(record.pk) == Step.FINISHED
    record.refresh_from_db()
    assert (record.state, record.error) == (ImportState.FAILED, "The contact group was deleted.")


@pytest.mark.django_db
def test_retired_sets_are_purged_in_batches_when_their_readers_are_gone(
    small_rows: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "PURGE_CONTACTS", 3)
    group = full_group()
    old_set = group.contact_set_id
    bulk(ImportKind.REPLACE, group, csv_file(*lines(NEW)))
    while maintenance.purge_retired_sets():
        pass
    assert Contact.objects.filter(contact_set_id=old_set).count() == len(OLD)
    ContactSet.objects.filter(pk=old_set).update(retired_on=timezone.now() - timedelta(hours=2), pins=1)
    assert not maintenance.purge_retired_sets()
    ContactSet.objects.filter(pk=old_set).update(pins=0)
    left = []
    while maintenance.purge_retired_sets():
        left.append(Contact.objects.filter(contact_set_id=old_set).count())
    assert left == [4, 1, 0]
    assert not ContactSet.objects.filter(pk=old_set).exists()
    assert emails_of(group) == NEW


@pytest.mark.django_db
@pytest.mark.parametrize("kind", list(RESULTS))
def test_nothing_is_left_behind_in_the_end(layout: str, kind: ImportKind) -> None:
    group = full_group()
    bulk(kind, group, csv_file(*lines(NEW)))
    ContactSet.objects.exclude(retired_on=None).update(retired_on=timezone.now() - timedelta(hours=2))
    while maintenance.purge_retired_sets():
        pass
    group.refresh_from_db()
    assert list(ContactSet.objects.values_list("pk", flat=True)) == [group.contact_set_id]
    assert Contact.objects.exclude(contact_set=group.contact_set).count() == 0
    places = SetPage.objects.filter(contact_set=group.contact_set)
    assert SetPage.objects.count() == places.count()
    assert set(ContactPage.objects.values_list("pk", flat=True)) == set(places.values_list("page_id", flat=True))
    assert emails_of(group) == RESULTS[kind]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", list(RESULTS))
def test_a_process_killed_at_any_write_leaves_the_old_contacts_or_the_new(layout: str, kind: ImportKind) -> None:
    group = full_group()
    for writes in itertools.count(1):
        died = _killed_at_write(writes, kind, group)
        found = emails_of(group)
        assert found == (OLD if died else RESULTS[kind])
        much_later()
        state = Import.objects.latest("pk").state
        assert state in (ImportState.DONE, ImportState.FAILED)
        assert emails_of(group) == (RESULTS[kind] if state == ImportState.DONE else OLD)
        if not died:
            break
        bulk(ImportKind.REPLACE, group, csv_file(*lines(OLD)))
    assert writes > 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", [ImportKind.REPLACE, ImportKind.UPDATE])
def test_who_waits_for_a_killed_one_goes_on(kind: ImportKind, monkeypatch: pytest.MonkeyPatch) -> None:
    use_layout("pages", monkeypatch)
    monkeypatch.setattr(applying, "DEAD_SECONDS", 0.5)
    group = full_group()
    assert _killed_at_write(2, ImportKind.DELETE, group)
    assert Import.objects.latest("pk").state == ImportState.APPLYING
    bulk(kind, group, csv_file(*lines(NEW)))
    assert emails_of(group) == RESULTS[kind]
    assert Import.objects.filter(state=ImportState.FAILED, error__contains="server stopped").count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("stop", ["of the machine", "never", "until the last moment"])
def test_who_waits_for_a_living_one_waits(stop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if both stood still for a minute, or if it comes to life when it is about to be ended."""
    group = full_group()
    first = staging.begin_import(group.client, ImportKind.UPDATE, group)
    Import.objects.filter(pk=first.pk).update(state=ImportState.APPLYING)
    steady = itertools.count(0, 60 if stop == "of the machine" else 1)
    clock = SimpleNamespace(monotonic=lambda: next(steady), sleep=lambda _: None)
    monkeypatch.setattr(applying, "time", clock)
    predecessor = applying.Predecessor(staging.begin_import(group.client, ImportKind.UPDATE, group).pk)
    end_merge = applying.end_merge

    def show_life() -> None:
        Import.objects.filter(pk=first.pk).update(heartbeat_on=timezone.now())

    if stop == "until the last moment":
        monkeypatch.setattr(applying, "end_merge", lambda *arguments: show_life() or end_merge(*arguments))
    for look in range(100):
        predecessor.wait()
        if stop == "never" or (stop == "of the machine" and look % 5 == 0):
            show_life()
    first.refresh_from_db()
    assert first.state == ImportState.APPLYING


@pytest.mark.django_db
def test_a_merge_that_fails_leaves_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """To whoever waits; nobody has to find it silent first."""
    group = full_group()

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(merging.Merger, "write", fail)
        bulk(ImportKind.UPDATE, group, csv_file(*lines(NEW)))
    failed = Import.objects.latest("pk")
    assert (failed.state, failed.error) == (ImportState.FAILED, "The import was interrupted. Nothing has changed.")
    assert emails_of(group) == OLD


@pytest.mark.django_db
def test_a_merge_that_is_ended_at_the_last_moment_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    group = full_group()
    point = next_set._point

    def end_first(record: Import, base_set_id: int) -> None:
        applying.end_merge(record.pk, "Ended.", lambda _: True)
        point(record, base_set_id)

    monkeypatch.setattr(next_set, "_point", end_first)
    with pytest.raises(Conflict):
        bulk(ImportKind.UPDATE, group, csv_file(*lines(NEW)))
    assert emails_of(group) == OLD


# PostgreSQL's pages come by COPY, which goes past the wrapper, after a statement for their ids.
_WRITE = r"\s*((INSERT INTO|DELETE FROM) .?contacts_(contact|contactpage|setpage)\b|SELECT nextval\()"


def _killed_at_write(writes: int, kind: ImportKind, group: ContactGroup) -> bool:
    """Import NEW in a process that is killed in its n-th write of contacts; False if it finished before."""
    connections.close_all()  # a connection must not be shared with a child
    child = os.fork()
    if child == 0:
        count = itertools.count(1)

        def run_and_die(execute, sql, *arguments):
            done = execute(sql, *arguments)
            if re.match(_WRITE, sql) and next(count) == writes:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        try:
            with connection.execute_wrapper(run_and_die):
                bulk(kind, group, csv_file(*lines(NEW)))
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.django_db(transaction=True)
def test_calls_at_the_same_time_lose_nothing(layout: str) -> None:
    group = full_group()
    files = [[f"thread{thread}-{number}@example.com" for number in range(6)] for thread in range(4)]
    errors: list[Exception] = []

    def update(emails: list[str]) -> None:
        try:
            bulk(ImportKind.UPDATE, ContactGroup.objects.get(pk=group.pk), csv_file(*lines(emails)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the test names it
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=update, args=(emails,)) for emails in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert errors == []
    assert len(contacts_of(group)) == len(OLD) + 24
    assert set(emails_of(group)) == {*OLD, *itertools.chain.from_iterable(files)}
    assert emails_of(group)[: len(OLD)] == OLD
