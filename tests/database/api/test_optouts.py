"""Opt-outs: one record for an address, however it is written."""

from tests.database.api.conftest import Program, Tenant

PATH = "/email/optout/"


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
