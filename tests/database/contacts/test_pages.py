"""What the layout of pages has for itself: pages that are shared, looking into them, and where it comes from."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from sendmill.accounts.models import Client
from sendmill.contacts import import_jobs, next_set, pages, staging
from sendmill.contacts.browsing import contact_count, contacts_at, search_contacts
from sendmill.contacts.column_choice import Columns
from sendmill.contacts.csv_reader import open_contacts
from sendmill.contacts.fragments import address_fragment, fragment
from sendmill.contacts.groups import add_group
from sendmill.contacts.layouts import finish_upgrade
from sendmill.contacts.merging import Merger
from sendmill.contacts.models import ContactGroup, ContactSet, Import, ImportKind, ImportState, Layout, SetPage
from sendmill.contacts.page_cache import SMALL_KIB
from sendmill.contacts.pages import PAGE_BYTES, Addresses
from sendmill.errors import Conflict
from tests.database.campaigns.making import make_client
from tests.database.contacts.making import bulk, contacts_in, csv_file, emails_of, fill, use_layout

pytestmark = pytest.mark.django_db

PEOPLE = [f"person{number:03}@example.com" for number in range(600)]


@pytest.fixture
def client() -> Client:
    return make_client()


def group_of(client: Client, emails: list[str]) -> ContactGroup:
    group = add_group(client, tag="Group")
    fill(group, [(email, email[:9], {"city": "Köln"}) for email in emails])
    return group


def page_ids(group: ContactGroup) -> list[int]:
    group.refresh_from_db()
    places = SetPage.objects.filter(contact_set=group.contact_set).order_by("number")
    return list(places.values_list("page_id", flat=True))


def test_only_the_page_that_changes_is_written_anew(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    use_layout("pages", monkeypatch)
    group = group_of(client, PEOPLE[:8])
    old_set, old = group.contact_set_id, page_ids(group)
    bulk(ImportKind.UPDATE, group, csv_file("name,email", f"New,{PEOPLE[5]}"))
    new = page_ids(group)
    assert [before == after for before, after in zip(old, new, strict=True)] == [True, True, False, True]
    assert contacts_in(old_set)[5] == (PEOPLE[5], "person005", {"city": "Köln"})
    assert contacts_in(group.contact_set_id)[5] == (PEOPLE[5], "New", {"city": "Köln"})


def test_small_pages_are_joined(client: Client) -> None:
    group = group_of(client, PEOPLE)
    for email in PEOPLE[:20]:
        bulk(ImportKind.UPDATE, group, csv_file("name,email", f"New,new-{email}"))
    assert len(page_ids(group)) == 2
    assert emails_of(group) == [*PEOPLE, *(f"new-{email}" for email in PEOPLE[:20])]


def test_long_contacts_make_small_pages(client: Client) -> None:
    group = add_group(client, tag="Group")
    long = "x" * 100_000
    rows = [f"{long},{email},{long},{long}" for email in PEOPLE[:5]]
    bulk(ImportKind.REPLACE, group, csv_file("name,email,a,b", *rows))
    assert list(SetPage.objects.order_by("number").values_list("size", flat=True)) == [1, 1, 1, 1, 1]
    assert 3 * len(long) < PAGE_BYTES < 6 * len(long)
    assert emails_of(group) == PEOPLE[:5]


def test_rows_become_pages_with_the_next_import(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    use_layout("rows", monkeypatch)
    group = add_group(client, tag="Group")
    bulk(ImportKind.REPLACE, group, csv_file("name,email,city", *(f"Al,{email},Ulm" for email in PEOPLE[:5])))
    group.refresh_from_db()
    assert group.contact_set.layout == Layout.ROWS
    assert finish_upgrade()
    assert not finish_upgrade()
    bulk(ImportKind.UPDATE, group, csv_file("name,email", f"Bob,{PEOPLE[2]}"))
    group.refresh_from_db()
    assert group.contact_set.layout == Layout.PAGES
    names = ["Al", "Al", "Bob", "Al", "Al"]
    assert contacts_in(group.contact_set_id) == [
        (email, name, {"city": "Ulm"}) for email, name in zip(PEOPLE, names, strict=False)
    ]
    assert not ContactSet.objects.filter(groups=None, retired_on=None).exists()


@pytest.mark.parametrize("layout", ["pages", "rows"])
def test_looking_into_a_set(client: Client, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_layout(layout, monkeypatch)
    group = add_group(client, tag="Group")
    lines = [f"{email[:9]},{email.capitalize()},Ulm" for email in PEOPLE[:9]]
    bulk(ImportKind.REPLACE, group, csv_file("name,email,city", *lines))
    group.refresh_from_db()
    assert contact_count(group.contact_set) == 9
    assert [row[0].lower() for row in contacts_at(group.contact_set, 3, 4)] == PEOPLE[3:7]
    assert contacts_at(group.contact_set, 9, 4) == []
    assert [row[:3] for row in search_contacts(group.contact_set, " PERSON004", 5)] == [
        ["Person004@example.com", "person004", {"city": "Ulm"}]
    ]
    assert len(search_contacts(group.contact_set, "@example", 5)) == 5
    assert search_contacts(group.contact_set, "%", 5) == []


@pytest.mark.parametrize("layout", ["pages", "rows"])
@pytest.mark.parametrize("wanted", ["Zoë@Bücher.example", "Zoe\u0308@BÜCHER.example", "zoe\u0308", "@bücher.example"])
def test_an_address_is_found_as_it_was_written(
    client: Client, layout: str, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_layout(layout, monkeypatch)
    group = add_group(client, tag="Group")
    bulk(ImportKind.REPLACE, group, csv_file("name,email", "A,a@example.com", "Zoe,Zoë@bücher.example", "B,b@x.test"))
    group.refresh_from_db()
    assert [row[0] for row in search_contacts(group.contact_set, wanted, 5)] == ["Zoë@bücher.example"]


def merging(group: ContactGroup) -> Import:
    """An import of the group whose process has died while it merged."""
    record = staging.begin_import(group.client, ImportKind.UPDATE, group)
    Import.objects.filter(pk=record.pk).update(
        state=ImportState.APPLYING, heartbeat_on=timezone.now() - timedelta(hours=1)
    )
    return record


def test_who_waits_for_a_merge_that_died_goes_on(client: Client) -> None:
    group = group_of(client, PEOPLE[:3])
    dead = merging(group)
    bulk(ImportKind.DELETE, group, csv_file("name,email", f"x,{PEOPLE[0]}"))
    assert emails_of(group) == PEOPLE[1:3]
    dead.refresh_from_db()
    assert (dead.state, dead.error) == (
        ImportState.FAILED,
        "The server stopped while contacts were merged. Nothing has changed.",
    )


def test_a_job_whose_merge_died_begins_anew(client: Client) -> None:
    group = group_of(client, PEOPLE[:3])
    columns = Columns(email_index=1, name_index=0)
    job = import_jobs.add_job(client, ImportKind.UPDATE, group, csv_file("name,email", f"New,{PEOPLE[4]}"), columns)
    begun = staging.begin_anew(job.pk)
    assert begun is not None
    Import.objects.filter(pk=job.pk).update(state=ImportState.APPLYING)
    record = staging.begin_anew(job.pk)
    assert record is not None
    next_set.merge(record, open_contacts(csv_file("name,email", f"New,{PEOPLE[4]}"), email_index=1, name_index=0))
    assert emails_of(group) == [*PEOPLE[:3], PEOPLE[4]]


def test_who_was_overtaken_while_merging_changes_nothing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    group = group_of(client, PEOPLE[:3])
    columns = Columns(email_index=1, name_index=0)
    job = import_jobs.add_job(client, ImportKind.UPDATE, group, csv_file("name,email", f"New,{PEOPLE[4]}"), columns)
    record = staging.begin_anew(job.pk)
    assert record is not None
    write = next_set.Merger.write

    def write_and_be_overtaken(*arguments):
        write(*arguments)
        staging.begin_anew(record.pk)

    monkeypatch.setattr(next_set.Merger, "write", write_and_be_overtaken)
    with pytest.raises(Conflict):
        next_set.merge(record, open_contacts(csv_file("name,email", f"New,{PEOPLE[4]}"), email_index=1, name_index=0))
    assert emails_of(group) == PEOPLE[:3]
    job.refresh_from_db()
    assert job.state == ImportState.RECEIVING, "the other's"


def test_what_a_database_might_take_for_something_else_stays_as_it_is(client: Client) -> None:
    group = add_group(client, tag="Group")
    name = "\\N \\t\t\\x41 {\"a\",NULL} 'b' %s \u2028 Æ"
    fill(group, [(f"person{number}@example.com", name, {"\\": name}) for number in range(3)])
    assert contacts_in(group.contact_set_id) == [
        (f"person{number}@example.com", name, {"\\": name}) for number in range(3)
    ]


def test_what_the_database_refuses_is_its_error_on_either(client: Client) -> None:
    """One that callers know: of a full disk, for instance."""
    group = add_group(client, tag="Group")
    writer = pages.PageWriter(group.contact_set_id, lambda: None)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE contacts_contactpage RENAME TO elsewhere")
    writer.extend(["a@example.com"], ['["a@example.com","",{}]'])
    with pytest.raises(DatabaseError):
        writer.close()


def test_an_import_keeps_little_of_the_file_in_memory(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL keeps its cache in the server: no connection sets it")
    found = []

    def cache_size() -> int:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA cache_size")
            size: int = cursor.fetchone()[0]
            return size

    write = pages.PageWriter.close
    monkeypatch.setattr(pages.PageWriter, "close", lambda writer: found.append(cache_size()) or write(writer))
    usual = cache_size()
    bulk(ImportKind.UPDATE, group_of(client, PEOPLE[:2]), csv_file("name,email", "A,a@example.com"))
    assert found[-1] == -SMALL_KIB
    assert abs(found[-1]) < abs(usual)
    assert cache_size() == usual


def test_postgresql_compresses_pages_quickly() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite stores text as it is: there is no compression to choose")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression'")
        assert cursor.fetchone() == (True,), "Debian's PostgreSQL has LZ4"
        columns = "attrelid = 'contacts_contactpage'::regclass AND attname IN ('keys', 'contacts')"
        cursor.execute(f"SELECT attcompression FROM pg_attribute WHERE {columns}")
        assert cursor.fetchall() == [("l",), ("l",)]


def test_whoever_merges_shows_signs_of_life(client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For each page of a large group that it looks at, and takes over; else others would take it for dead."""
    use_layout("pages", monkeypatch)
    group = group_of(client, PEOPLE[:20])
    signs: list[None] = []
    with Merger(ImportKind.UPDATE, 0, tmp_path, lambda: signs.append(None)) as merger:
        for batch in open_contacts(csv_file("name,email", "A,a@example.com"), email_index=1).batches():
            merger.receive(batch)
        merger.write(group.contact_set_id, pages.PageWriter(ContactSet.objects.create().pk, lambda: None))
    assert len(signs) >= 2 * len(page_ids(group))


def test_addresses_are_the_same_parsed_and_unparsed() -> None:
    """Whether all emails are their keys, or one is not, or a contact has a name."""
    plain, written = ["al@example.com", "bo@example.com"], ["al@example.com", "Bo@Example.com"]
    for emails in (plain, written, plain[:1], written[1:]):
        keys = [email.lower() for email in emails]
        fragments = [address_fragment(email, key) for email, key in zip(emails, keys, strict=True)]
        contacts = "[" + ",\n".join(fragments) + "]"
        found = Addresses.of(contacts, "\n".join(keys))
        assert (found.emails.split("\n"), found.keys.split("\n")) == (emails, keys)
    named = f"[{fragment('Al@example.com', 'al@example.com', 'Al', {})}]"
    assert Addresses.of(named, "al@example.com").emails == "Al@example.com"
