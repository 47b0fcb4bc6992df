"""Senders, opt-outs, messages and contact groups: the five operations that they have in common."""

import re
from dataclasses import dataclass
from typing import Any

import pytest

from tests.database.api.conftest import Program, Tenant

UNKNOWN_ID = "57bb010e2cd5264797b017e5"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}000")


@dataclass(frozen=True)
class Kind:
    """A resource: its path, what may be posted, a change to it, and the keys of what comes back."""

    path: str
    body: dict[str, str]
    change: dict[str, str]
    keys: list[str]


KINDS = [
    Kind(
        "/email/senderid/",
        {"description": "My From Address", "email": "test@test.com"},
        {"description": "Another name"},
        ["$_id", "client_id", "description", "email", "created_on", "modified_on"],
    ),
    Kind(
        "/email/optout/",
        {"email": "test@test.com"},
        {"email": "Other@test.com"},
        ["$_id", "client_id", "email", "created_on", "modified_on"],
    ),
    Kind(
        "/email/contact/",
        {"tag": "My Contact Group"},
        {"tag": "Renamed"},
        ["$_id", "client_id", "tag", "contacts", "created_on", "modified_on"],
    ),
    Kind(
        "/email/message/",
        {"description": "My message", "email_message": "This is a test message."},
        {"email_message": "<p>Hello {{ name }}</p>\n"},
        ["$_id", "client_id", "description", "email_message", "created_on", "modified_on"],
    ),
]

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.path.split("/")[2])


@every_kind
@pytest.mark.parametrize("mount", ["", "/api/v1"])
def test_add_get_and_list(api: Program, acme: Tenant, kind: Kind, mount: str) -> None:
    assert api.get(mount + kind.path).expect(200).body == b"[]"

    added = api.post(mount + kind.path, kind.body).expect(201)

    assert added.content_type == "application/json"
    assert list(added.json) == kind.keys
    assert added.json["$_id"] == {"$oid": added.id}
    assert re.fullmatch("[0-9a-f]{24}", added.id)
    assert added.json["client_id"] == {"$oid": acme.client.object_id}
    assert kind.body.items() <= added.json.items()
    assert TIME.fullmatch(added.json["created_on"])
    assert added.json["created_on"] == added.json["modified_on"]
    one = api.get(mount + kind.path, _id=added.id).expect(200)
    assert one.body == added.body
    assert one.content_type == "application/json"
    listed = api.get(mount + kind.path).expect(200)
    assert listed.json == [added.json]
    assert listed.content_type == "application/json"


@every_kind
def test_update_changes_what_is_given_and_moves_modified_on(api: Program, kind: Kind) -> None:
    before = api.post(kind.path, kind.body).json
    path = f"{kind.path}?_id={before['$_id']['$oid']}"

    answer = api.put(path, kind.change | {"unknown": 1, "_id": UNKNOWN_ID, "created_on": "2001-01-01"})

    after = api.get(path).json
    if kind.path == "/email/contact/":
        assert answer.expect(200).json == after
    else:
        assert answer.expect(204).body == b""
    assert answer.content_type == "application/json"
    assert after == before | kind.change | {"modified_on": after["modified_on"]}
    assert after["modified_on"] > before["modified_on"]


@every_kind
def test_delete(api: Program, kind: Kind) -> None:
    kept, gone = (api.post(kind.path, with_other_email(kind.body, n)).id for n in range(2))

    answer = api.delete(f"{kind.path}?_id={gone}").expect(204)

    assert (answer.body, answer.content_type) == (b"", "application/json")
    assert api.get(kind.path, _id=gone).expect(404).json == {"detail": "Not found."}
    assert [row["$_id"]["$oid"] for row in api.get(kind.path).json] == [kept]
    api.delete(f"{kind.path}?_id={gone}").expect(404)


@every_kind
def test_the_id_is_found_under_both_names_and_in_both_cases(api: Program, kind: Kind) -> None:
    added = api.post(kind.path, kind.body)

    assert api.get(kind.path, **{"$_id": added.id}).json == added.json
    assert api.get(kind.path, _id=added.id.upper()).json == added.json
    assert api.get(kind.path, **{"_id": "", "$_id": added.id}).json == added.json


@every_kind
def test_an_empty_id_lists_but_changes_nothing(api: Program, kind: Kind) -> None:
    added = api.post(kind.path, kind.body).json
    required = {"_id": ["This field is required."]}

    for query in ("", "?_id=", "?$_id="):
        assert api.get(kind.path + query).json == [added]
        assert api.put(kind.path + query, kind.change).expect(400).json == required
        assert api.delete(kind.path + query).expect(400).json == required

    assert api.get(kind.path).json == [added]


@every_kind
def test_a_foreign_id_looks_like_an_unknown_and_a_malformed_one(api: Program, other: Tenant, kind: Kind) -> None:
    foreign = other.api.post(kind.path, kind.body)

    for object_id in (
        foreign.id,
        UNKNOWN_ID,
        "nonsense",
        "%00",
        "%ff",
        "57bb010e2cd5264797b017e",
        "٠" * 24,
        "a" * 5000,
    ):
        path = f"{kind.path}?_id={object_id}"
        for answer in (api.get(path), api.put(path, kind.change), api.delete(path)):
            assert answer.expect(404).body == b'{"detail":"Not found."}'

    assert other.api.get(kind.path).json == [foreign.json]
    assert api.get(kind.path).json == []


@every_kind
def test_what_is_missing_blank_null_or_no_text(api: Program, kind: Kind) -> None:
    for field in kind.body:
        without = {name: text for name, text in kind.body.items() if name != field}
        assert api.post(kind.path, without).expect(400).json == {field: ["This field is required."]}
        for wrong, reason in [
            ("", "This field may not be blank."),
            (" \n", "This field may not be blank."),
            (None, "This field may not be null."),
            (True, "Not a valid string."),
            (["text"], "Not a valid string."),
            ({"$oid": "text"}, "Not a valid string."),
            ("nul\0", "Null characters are not allowed."),
            ("half \ud800", "Surrogate characters are not allowed: U+D800."),
        ]:
            assert api.post(kind.path, kind.body | {field: wrong}).expect(400).json == {field: [reason]}
    assert api.post(kind.path, {}).expect(400).json == {field: ["This field is required."] for field in kind.body}
    assert api.get(kind.path).json == []


@every_kind
def test_an_update_without_a_known_field(api: Program, kind: Kind) -> None:
    added = api.post(kind.path, kind.body)

    for body in ({}, {"unknown": 1}):
        answer = api.put(f"{kind.path}?_id={added.id}", body).expect(400)
        assert list(answer.json) == ["non_field_errors"]

    assert api.get(kind.path).json == [added.json]


@every_kind
def test_form_and_multipart_are_taken_like_json(api: Program, kind: Kind) -> None:
    for number, format in enumerate(("urlencoded", "multipart")):
        body = with_other_email(kind.body, number)
        if format == "multipart":
            answer = api.upload(kind.path, body)
        else:
            pairs = "&".join(f"{name}={text}" for name, text in body.items())
            answer = api.send("POST", kind.path, pairs.encode(), "application/x-www-form-urlencoded")
        assert body.items() <= answer.expect(201).json.items()


@every_kind
def test_limit_and_after_walk_through_a_list(api: Program, kind: Kind) -> None:
    ids = [api.post(kind.path, with_other_email(kind.body, n)).id for n in range(5)]

    seen: list[str] = []
    while page := api.get(kind.path, limit="2", after=seen[-1] if seen else "").expect(200).json:
        assert len(page) <= 2
        seen += [row["$_id"]["$oid"] for row in page]

    assert seen == ids
    assert [row["$_id"]["$oid"] for row in api.get(kind.path, after=ids[1]).json] == ids[2:]


@every_kind
def test_a_wrong_limit_or_after_is_named(api: Program, other: Tenant, kind: Kind) -> None:
    foreign = other.api.post(kind.path, kind.body).id

    for limit in ("0", "-1", "x", "1.5", "9" * 5000, "\0"):
        assert list(api.get(kind.path, limit=limit).expect(400).json) == ["limit"]
    for after in ("x", UNKNOWN_ID, foreign):
        assert list(api.get(kind.path, after=after).expect(400).json) == ["after"]


@every_kind
def test_text_comes_back_as_it_was_sent(api: Program, kind: Kind) -> None:
    """Addresses are trimmed, and nothing else is changed."""
    for text in (" Zoë 🦊 \r\n\t\u2028'\"\\ <b>&amp;</b> ", "\x01\x7f\u202e", "a" * 100_000):
        body = {name: given if name == "email" else text for name, given in kind.body.items()}
        added = api.post(kind.path, body).expect(201)
        assert body.items() <= api.get(kind.path, _id=added.id).json.items()


def test_numbers_become_text(api: Program) -> None:
    for number, text in [("5", "5"), ("5.10", "5.10"), ("-1e400", "-1e400"), ("1" * 4000, "1" * 4000)]:
        answer = api.send("POST", "/email/contact/", f'{{"tag": {number}}}'.encode())
        assert answer.expect(201).json["tag"] == text


def test_addresses_are_trimmed_and_checked(api: Program) -> None:
    for path, body in (("/email/senderid/", {"description": "x"}), ("/email/optout/", {})):
        added = api.post(path, body | {"email": "\t Zoe@Example.com \n"}).expect(201)
        assert added.json["email"] == "Zoe@Example.com"
        for wrong in ("zoe", "zoe@", "a@b@c.com", "a b@c.com", "a@c.com\r\nBcc: d@e.com", "a@c.com,b@c.com", 5):
            for answer in (
                api.post(path, body | {"email": wrong}),
                api.put(f"{path}?_id={added.id}", {"email": wrong}),
            ):
                assert answer.expect(400).json == {"email": ["Enter a valid email address."]}
        assert api.get(path).json == [added.json]


def test_a_template_that_cannot_be_read_is_told_with_its_line(api: Program) -> None:
    message = api.post("/email/message/", {"description": "x", "email_message": "x"})

    for field in ("description", "email_message"):
        body = {"description": "x", "email_message": "x", field: "Hello\n{{ name"}
        for answer in (
            api.post("/email/message/", body),
            api.put(f"/email/message/?_id={message.id}", {field: body[field]}),
        ):
            (reason,) = answer.expect(400).json[field]
            assert reason.startswith("Line 2: ")

    assert api.get("/email/message/").json == [message.json]


def with_other_email(body: dict[str, str], number: int) -> dict[str, Any]:
    """The same, except that no two are one opt-out."""
    return {name: f"{number}.{text}" if name == "email" else text for name, text in body.items()}
