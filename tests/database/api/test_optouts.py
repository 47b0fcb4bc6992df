"""Opt-outs: one record for an address, however it is written."""

from django.core.files.uploadedfile import SimpleUploadedFile

from sendmill.optouts.models import OptOut, Source
from tests.database.api.conftest import Program, Tenant

PATH = "/email/optout/"


def test_each_keeps_where_it_came_from_and_the_answer_stays_as_documented(acme: Tenant) -> None:
    shown = acme.api.post(PATH, {"email": "zoe@example.com"}).json
    file = SimpleUploadedFile("o.csv", b"email\nbob@example.com\nZOE@example.com\n")
    acme.api.upload(f"{PATH}bulk/add/", {"csv_file": file}).expect(200)
    kept = OptOut.objects.filter(client=acme.client).values_list("email", "source")
    assert dict(kept) == {"zoe@example.com": Source.API, "bob@example.com": Source.FILE}
    assert list(shown) == ["$_id", "client_id", "email", "created_on", "modified_on"]


def test_adding_an_address_twice_answers_with_the_existing_record(api: Program) -> None:
    first = api.post(PATH, {"email": "Zoe@example.com"})

    second = api.post(PATH, {"email": " zOE@EXAMPLE.com "}).expect(201)

    assert second.json == first.json
    assert api.get(PATH).json == [first.json]


def test_every_client_has_its_own(api: Program, other: Tenant) -> None:
    mine = api.post(PATH, {"email": "zoe@example.com"})

    theirs = other.api.post(PATH, {"email": "zoe@example.com"}).expect(201)

    assert mine.id != theirs.id
    api.delete(f"{PATH}?_id={mine.id}").expect(204)
    assert other.api.get(PATH).json == [theirs.json]


def test_no_record_moves_onto_an_address_that_another_holds(api: Program) -> None:
    taken = api.post(PATH, {"email": "taken@example.com"}).json
    moved = api.post(PATH, {"email": "moved@example.com"}).json

    answer = api.put(f"{PATH}?_id={moved['$_id']['$oid']}", {"email": "Taken@Example.com"}).expect(400)

    assert answer.json == {"email": ["This field must be unique."]}
    assert api.get(PATH).json == [taken, moved]


def test_a_record_may_be_written_differently(api: Program) -> None:
    record = api.post(PATH, {"email": "zoe@example.com"})

    api.put(f"{PATH}?_id={record.id}", {"email": "Zoe@Example.com"}).expect(204)

    assert [row["email"] for row in api.get(PATH).json] == ["Zoe@Example.com"]
