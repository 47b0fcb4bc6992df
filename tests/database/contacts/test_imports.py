"""Bulk calls: what is in the group, or among the opt-outs, afterwards."""

import csv
import io
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sendmill.contacts import applying, importer, staging
from sendmill.contacts.groups import add_group
from sendmill.contacts.models import ContactGroup, ContactSet, Import, ImportKind, ImportState, RejectedRow
from sendmill.errors import Conflict, InvalidField, NotFound
from sendmill.optouts.models import OptOut
from tests.database.campaigns.making import make_client
from tests.database.contacts.making import (
    bulk,
    contacts_in,
    contacts_of,
    csv_file,
    emails_of,
    optouts_of,
    use_layout,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True, params=["pages", "rows", "rows at once"])
def layout(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    layout: str = request.param
    use_layout(layout, monkeypatch)
    return layout


@pytest.fixture
def group(layout: str) -> ContactGroup:
    group = add_group(make_client(), tag="Group")
    bulk(
        ImportKind.REPLACE,
        group,
        csv_file("name,email,city", "Al,al@example.com,Ulm", "Bob,Bob@example.com,Bonn", "Cy,cy@example.com,Celle"),
    )
    group.refresh_from_db()
    return group


def test_replace(group: ContactGroup) -> None:
    before = group.modified_on
    record = bulk(
        ImportKind.REPLACE,
        group,
        csv_file(
            "name,email,town",
            "Dan,dan@example.com,Dorsten",
            "Eve,eve@example.com,",
            "Nobody,none,",
            "Dan II,DAN@example.com,Düren",
        ),
    )
    assert contacts_of(group) == [
        ("DAN@example.com", "Dan II", {"town": "Düren"}),
        ("eve@example.com", "Eve", {"town": ""}),
    ]
    assert group.modified_on > before
    assert (record.state, record.kind, record.group) == (ImportState.DONE, ImportKind.REPLACE, group)
    assert (record.accepted_rows, record.duplicate_rows, record.rejected_rows) == (3, 1, 1)
    assert list(record.rejected.values_list("line", "column_index", "column", "value", "reason")) == [
        (4, 1, "email", "none", "An email address must have an @-sign.")
    ]


def test_a_header_alone_empties_the_group(group: ContactGroup) -> None:
    bulk(ImportKind.REPLACE, group, csv_file("name,email"))
    assert contacts_of(group) == []


def test_update(group: ContactGroup) -> None:
    before = group.modified_on
    record = bulk(
        ImportKind.UPDATE,
        group,
        csv_file("name,email,age", "Dan,dan@example.com,4", "Robert,bob@EXAMPLE.com,9", "Fay,fay@example.com,6"),
    )
    assert contacts_of(group) == [
        ("al@example.com", "Al", {"city": "Ulm"}),
        ("bob@EXAMPLE.com", "Robert", {"city": "Bonn", "age": "9"}),
        ("cy@example.com", "Cy", {"city": "Celle"}),
        ("dan@example.com", "Dan", {"age": "4"}),
        ("fay@example.com", "Fay", {"age": "6"}),
    ]
    assert group.modified_on > before
    assert record.state == ImportState.DONE


def test_in_an_update_the_columns_of_the_file_win(group: ContactGroup) -> None:
    bulk(ImportKind.UPDATE, group, csv_file("name,email,city,age", "Al,al@example.com,,7", "Cy,cy@example.com"))
    assert contacts_of(group)[0] == ("al@example.com", "Al", {"city": "", "age": "7"})
    assert contacts_of(group)[2] == ("cy@example.com", "Cy", {"city": "Celle"})


def test_delete(group: ContactGroup) -> None:
    before = group.modified_on
    record = bulk(
        ImportKind.DELETE, group, csv_file("x,email", "1,AL@example.com", "2,unknown@example.com", "3,cy@example.com")
    )
    assert emails_of(group) == ["Bob@example.com"]
    assert group.modified_on > before
    assert record.accepted_rows == 3


@pytest.mark.parametrize("kind", [ImportKind.UPDATE, ImportKind.DELETE])
def test_what_a_campaign_is_reading_is_left_alone(group: ContactGroup, kind: ImportKind) -> None:
    pinned = group.contact_set_id
    ContactSet.objects.filter(pk=pinned).update(pins=1)
    bulk(kind, group, csv_file("name,email", "Allan,al@example.com"))
    assert [name for _, name, _ in contacts_in(pinned)] == ["Al", "Bob", "Cy"]
    names = [name for _, name, _ in contacts_of(group)]
    assert names == (["Bob", "Cy"] if kind == ImportKind.DELETE else ["Allan", "Bob", "Cy"])


@pytest.mark.parametrize("kind", [ImportKind.REPLACE, ImportKind.UPDATE, ImportKind.DELETE])
@pytest.mark.parametrize(
    ("content", "field"),
    [
        (None, "csv_file"),
        (b"", "csv_file"),
        (b"name,email\nDan,dan@example.com\n\x00", "csv_file"),
        (b"name\nDan\n", "email_index"),
        # Found out after rows have been staged.
        (b"\xff\xfe" + ("name,email\n" + "Dan,dan@example.com\n" * 20_000).encode("utf-16-le") + b"x", "csv_file"),
    ],
    ids=["missing", "empty", "binary", "index", "late"],
)
def test_a_file_that_cannot_be_used_leaves_nothing_behind(
    group: ContactGroup, kind: ImportKind, content: bytes | None, field: str
) -> None:
    before, imports = contacts_of(group), Import.objects.count()
    with pytest.raises(InvalidField) as caught:
        importer.run_import(
            group.client,
            kind,
            group,
            None if content is None else io.BytesIO(content),
            email_index=1,
            name_index=0,
        )
    assert caught.value.path == (field,)
    assert contacts_of(group) == before
    assert Import.objects.count() == imports
    assert not ContactSet.objects.filter(groups=None, retired_on=None).exists()


def test_a_group_deleted_meanwhile(group: ContactGroup, monkeypatch: pytest.MonkeyPatch) -> None:
    def begin_and_delete(*arguments):
        record = staging.begin_import(*arguments)
        ContactGroup.objects.filter(pk=group.pk).delete()
        return record

    monkeypatch.setattr(importer, "begin_import", begin_and_delete)
    with pytest.raises(NotFound, match="deleted"):
        bulk(ImportKind.UPDATE, group, csv_file("name,email", "Dan,dan@example.com"))
    assert Import.objects.latest("pk").state == ImportState.FAILED


def test_optouts_are_added_and_deleted() -> None:
    client, other = make_client(), make_client("Other")
    importer.run_import(client, ImportKind.OPTOUT_ADD, None, csv_file("al@example.com", "Bob@example.com", "x"))
    importer.run_import(other, ImportKind.OPTOUT_ADD, None, csv_file("al@example.com"))
    first = OptOut.objects.get(client=client, email_key="bob@example.com")
    record = importer.run_import(
        client, ImportKind.OPTOUT_ADD, None, csv_file("id;EMAIL", "1;bob@EXAMPLE.com", "2;cy@example.com")
    )
    assert optouts_of(client) == ["al@example.com", "Bob@example.com", "cy@example.com"]
    assert OptOut.objects.get(pk=first.pk).object_id == first.object_id
    assert len(set(OptOut.objects.values_list("object_id", flat=True))) == 4
    assert (record.state, record.accepted_rows) == (ImportState.DONE, 2)
    importer.run_import(
        client, ImportKind.OPTOUT_DELETE, None, csv_file("AL@example.com,x", "cy@example.com,y"), email_index=0
    )
    assert optouts_of(client) == ["Bob@example.com"]
    assert optouts_of(other) == ["al@example.com"]


def test_many_optouts_go_in_pages() -> None:
    client = make_client()
    emails = [f"person{number}@example.com" for number in range(10)]
    importer.run_import(client, ImportKind.OPTOUT_ADD, None, csv_file(*emails))
    assert optouts_of(client) == emails
    importer.run_import(client, ImportKind.OPTOUT_DELETE, None, csv_file(*emails[1:]))
    assert optouts_of(client) == emails[:1]


def test_a_file_for_a_new_group() -> None:
    client = make_client()
    record = importer.receive_contacts(client, csv_file("name,email", "Al,al@example.com"), email_index=1, name_index=0)
    group = importer.add_group_of(record, tag="Spring")
    assert (group.tag, emails_of(group), group.client_id) == ("Spring", ["al@example.com"], client.pk)
    record.refresh_from_db()
    assert (record.state, record.group, record.accepted_rows) == (ImportState.DONE, group, 1)


def test_a_file_for_a_new_group_that_was_given_up() -> None:
    record = importer.receive_contacts(make_client(), csv_file("a@example.com"), email_index=0, name_index=0)
    applying.recover_imports(timezone.now() + timedelta(hours=1))
    with pytest.raises(Conflict, match="given up"):
        importer.add_group_of(record, tag="Spring")


def test_a_discarded_file_leaves_nothing() -> None:
    record = importer.receive_contacts(make_client(), csv_file("a@example.com", "x"), email_index=0, name_index=0)
    staging.discard(record)
    assert not Import.objects.exists()
    assert not RejectedRow.objects.exists()
    assert not ContactSet.objects.filter(retired_on=None).exists()


def test_not_every_rejected_row_of_a_huge_file_is_kept(group: ContactGroup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "MAX_REJECTED_ROWS", 4_001)
    record = bulk(ImportKind.REPLACE, group, csv_file("name,email", *["x,y"] * 9_000))
    assert (record.rejected_rows, record.rejected.count()) == (9_000, 4_001)


cells = st.lists(
    st.text(alphabet="a\"',\\é\n ", max_size=3), max_size=3
)  # of the columns x, y and z, as far as they go
rows = st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans(), cells))
calls = st.lists(st.tuples(st.sampled_from(["replace", "update", "delete"]), rows), max_size=5)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls)
def test_any_sequence_of_calls_does_what_a_dictionary_does(
    calls: list[tuple[str, list[tuple[str, bool, list[str]]]]],
) -> None:
    group = add_group(make_client(), tag="Group")
    expected: dict[str, tuple[str, str, dict[str, str]]] = {}
    for number, (kind, given_rows) in enumerate(calls):
        text = io.StringIO()
        lines = csv.writer(text, quoting=csv.QUOTE_ALL)
        lines.writerow(["name", "email", "x", "y", "z"])
        file: dict[str, tuple[str, str, dict[str, str]]] = {}
        for letter, upper, more in given_rows:
            email = f"{letter}@example.com"
            written = email.upper() if upper else email
            lines.writerow([f"{letter}{number}", written, *more])
            file[email] = (written, f"{letter}{number}", dict(zip("xyz", more, strict=False)))
        record = bulk(ImportKind(kind), group, io.BytesIO(text.getvalue().encode()))
        assert (record.accepted_rows, record.duplicate_rows) == (len(given_rows), len(given_rows) - len(file))

        if kind == "replace":
            expected = file
        for key, (email, name, fields) in file.items():
            if kind == "update":
                old = expected[key][2] if key in expected else {}
                expected[key] = (email, name, {**old, **fields})
            elif kind == "delete":
                expected.pop(key, None)
        assert contacts_of(group) == list(expected.values())
