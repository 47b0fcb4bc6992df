"""Campaigns over HTTP; what makes and moves them has tests of its own."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from pytest_django.fixtures import Settings

from sendmill.accounts.models import Client
from sendmill.campaigns.models import Campaign, Phase, Status
from tests.database.api.conftest import Program, Tenant
from tests.database.api.test_resources import TIME, UNKNOWN_ID

PATH = "/email/campaign/"
KEYS = [
    "$_id", "client_id", "contact_group_id", "sender_id", "message_id", "name", "start_date", "timezone",
    "created_on", "modified_on", "status",
]  # fmt: skip


@pytest.fixture
def parts(api: Program) -> dict[str, str]:
    """The ids of a sender, a message and a group."""
    return {
        "sender": api.post("/email/senderid/", {"description": "x", "email": "a@example.com"}).id,
        "message": api.post("/email/message/", {"description": "Subject", "email_message": "Text"}).id,
        "group": api.post("/email/contact/", {"tag": "People"}).id,
    }


def new_campaign(client: Client, parts: dict[str, str], **fields: Any) -> Campaign:
    now = timezone.now()
    values = {
        "name": "My Campaign", "start_wall_clock": "2036-09-08 09:00", "timezone": "EST5EDT", "starts_at": now,
        "expires_at": now + timedelta(days=2), "created_on": now, "modified_on": now,
        "contact_group_object_id": parts["group"], "sender_object_id": parts["sender"],
        "message_object_id": parts["message"],
    }  # fmt: skip
    return Campaign.objects.create(client=client, **values | fields)


@pytest.mark.parametrize("mount", ["", "/api/v1"])
def test_a_campaign_alone_and_in_the_list(acme: Tenant, other: Tenant, parts: dict[str, str], mount: str) -> None:
    campaign = new_campaign(acme.client, parts)

    shown = acme.api.get(mount + PATH, _id=campaign.object_id).expect(200).json

    assert list(shown) == KEYS
    assert shown["$_id"] == {"$oid": campaign.object_id}
    assert shown["client_id"] == {"$oid": acme.client.object_id}
    assert shown["contact_group_id"] == {"$oid": parts["group"]}
    assert shown["sender_id"] == {"$oid": parts["sender"]}
    assert shown["message_id"] == {"$oid": parts["message"]}
    assert shown["start_date"] == "2036-09-08T09:00:00.000000"
    assert TIME.fullmatch(shown["created_on"])
    assert TIME.fullmatch(shown["modified_on"])
    assert (shown["name"], shown["timezone"], shown["status"]) == ("My Campaign", "EST5EDT", "active")
    assert acme.api.get(mount + PATH).json == [shown]
    assert other.api.get(mount + PATH).json == []
    for object_id in (UNKNOWN_ID, "nonsense"):
        acme.api.get(mount + PATH, _id=object_id).expect(404)
    other.api.get(mount + PATH, _id=campaign.object_id).expect(404)


def test_the_status_is_set(acme: Tenant, other: Tenant, parts: dict[str, str]) -> None:
    campaign = new_campaign(acme.client, parts)
    path = f"{PATH}?_id={campaign.object_id}"

    for status in ("paused", "paused", "active", "paused", "cancelled", "cancelled"):
        answer = acme.api.put(path, {"status": status}).expect(204)
        assert (answer.body, answer.content_type) == (b"", "application/json")
        assert acme.api.get(path).json["status"] == status
    for status in ("active", "paused"):
        assert list(acme.api.put(path, {"status": status}).expect(400).json) == ["status"]
    for path_without in (PATH, f"{PATH}?_id="):
        assert acme.api.put(path_without, {"status": "active"}).expect(400).json == {"_id": ["This field is required."]}
    other.api.put(path, {"status": "active"}).expect(404)
    acme.api.delete(path).expect(405)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"status": "completed"}, '"completed" is not a valid choice.'),
        ({"status": "Active"}, '"Active" is not a valid choice.'),
        ({"status": 5}, '"5" is not a valid choice.'),
        ({"status": "\ud800"}, '"\ud800" is not a valid choice.'),
        ({"status": ""}, '"" is not a valid choice.'),
        ({"status": None}, "This field may not be null."),
    ],
)
def test_a_status_that_cannot_be_set(acme: Tenant, parts: dict[str, str], body: dict[str, Any], reason: str) -> None:
    campaign = new_campaign(acme.client, parts)

    assert acme.api.put(f"{PATH}?_id={campaign.object_id}", body).expect(400).json == {"status": [reason]}


def test_a_status_that_is_not_given(acme: Tenant, parts: dict[str, str]) -> None:
    campaign = new_campaign(acme.client, parts)

    for body in ({}, {"name": "Another"}):
        answer = acme.api.put(f"{PATH}?_id={campaign.object_id}", body).expect(400)
        assert list(answer.json) == ["non_field_errors"]


@pytest.mark.parametrize(
    ("part", "path"), [("sender", "/email/senderid/"), ("message", "/email/message/"), ("group", "/email/contact/")]
)
def test_what_an_unfinished_campaign_needs_is_not_deleted(
    acme: Tenant, parts: dict[str, str], part: str, path: str
) -> None:
    campaign = new_campaign(acme.client, parts)
    path = f"{path}?_id={parts[part]}"

    for status in (Status.ACTIVE, Status.PAUSED):
        Campaign.objects.update(status=status)
        answer = acme.api.delete(path).expect(409)
        assert list(answer.json) == ["detail"]
        assert "My Campaign" in answer.json["detail"]
        acme.api.get(path).expect(200)

    Campaign.objects.update(status=Status.COMPLETED, phase=Phase.CLOSED)
    acme.api.delete(path).expect(204)
    acme.api.get(path).expect(404)
    assert acme.api.get(PATH, _id=campaign.object_id).json[f"{ {'group': 'contact_group'}.get(part, part) }_id"] == {
        "$oid": parts[part]
    }


def test_lists_of_campaigns_do_not_read_what_they_send(
    acme: Tenant, parts: dict[str, str], django_assert_num_queries: Any
) -> None:
    new_campaign(acme.client, parts, frozen_body="x" * 1000)
    new_campaign(acme.client, parts, frozen_body="x" * 1000)

    with django_assert_num_queries(2 + 1) as queries:  # token, membership, one page
        acme.api.get(PATH)

    assert not any("frozen_body" in query["sql"] for query in queries.captured_queries)


def test_attributes_that_cannot_be_read(api: Program) -> None:
    assert api.upload(PATH, {}).expect(400).json == {"attributes": ["This field is required."]}
    for text in ("{", "", "[" * 100_000, '{"a": NaN}'):
        answer = api.upload(PATH, {"attributes": text}).expect(400)
        assert list(answer.json) == ["attributes"]
        (reason,) = answer.json["attributes"]
        assert reason.startswith("JSON parse error - ")
    for value in ("5", "null", "[]", '"text"'):
        assert list(api.upload(PATH, {"attributes": value}).expect(400).json) == ["attributes"]


def attributes(parts: dict[str, str], **changes: dict[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "message": {"source": "reuse", "_id": {"$oid": parts["message"]}},
        "contact_group": {"type": "reuse", "_id": {"$oid": parts["group"]}},
        "schedule": {
            "name": "My Campaign", "start_date": "2036-09-08 09:00", "timezone": "EST5EDT",
            "sender_id": {"$oid": parts["sender"]},
        },
    }  # fmt: skip
    return {name: section | changes.get(name, {}) for name, section in whole.items()}


def test_errors_lead_to_what_is_wrong(api: Program, parts: dict[str, str]) -> None:
    wrong = attributes(parts, schedule={"timezone": "XYZ", "name": "\ud800"}, message={"_id": UNKNOWN_ID})

    answer = api.upload(PATH, {"attributes": json.dumps(wrong)}).expect(400)

    assert answer.json["attributes"]["schedule"]["timezone"] == ['"XYZ" is not a valid choice.']
    assert answer.json["attributes"]["schedule"]["name"] == ["Surrogate characters are not allowed: U+D800."]
    assert api.get(PATH).json == []


def uploaded(name: str, content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


@pytest.mark.parametrize("mount", ["", "/api/v1"])
def test_a_campaign_of_uploaded_contacts_and_a_new_message(api: Program, parts: dict[str, str], mount: str) -> None:
    """The example of the reference."""
    asked = attributes(
        parts,
        message={"source": "new", "description": "My Email Message", "email_message": "This is a test message."},
        contact_group={"type": "upload", "name_index": 1, "email_index": "0"},
    )
    form = {"attributes": json.dumps(asked), "csv_file": uploaded("f.csv", b"email,name\nzoe@example.com,Zoe\nx,y\n")}

    answer = api.upload(mount + PATH, form).expect(201)

    assert list(answer.json) == KEYS
    assert answer.json == api.get(PATH, _id=answer.id).json
    assert (answer.json["status"], answer.json["start_date"]) == ("active", "2036-09-08T09:00:00.000000")
    assert answer.json["sender_id"] == {"$oid": parts["sender"]}
    group = api.get("/email/contact/", _id=answer.json["contact_group_id"]["$oid"]).json
    assert (group["tag"], group["contacts"]) == ("My Campaign", [{"name": "Zoe", "email": "zoe@example.com"}])
    message = api.get("/email/message/", _id=answer.json["message_id"]["$oid"]).json
    assert (message["description"], message["email_message"]) == ("My Email Message", "This is a test message.")
    told = api.get("/email/import/", _id=answer.headers["Sendmill-Import"]).json
    assert (told["accepted_rows"], told["rejected_rows"]) == (1, 1)


def test_a_campaign_of_what_there_is(api: Program, parts: dict[str, str]) -> None:
    """`attributes` may come as a field, as a browser's file part, or as an object in a JSON body."""
    asked = attributes(parts)
    answers = [
        api.upload(PATH, {"attributes": json.dumps(asked)}),
        api.upload(PATH, {"attributes": uploaded("blob", json.dumps(asked).encode())}),
        api.post(PATH, {"attributes": asked}),
    ]

    for answer in answers:
        assert answer.expect(201).json["contact_group_id"] == {"$oid": parts["group"]}
        assert answer.json["message_id"] == {"$oid": parts["message"]}
        assert "Sendmill-Import" not in answer.headers


def test_a_message_from_a_file(api: Program, parts: dict[str, str]) -> None:
    asked = attributes(parts, message={"source": "upload", "description": "Subject", "_id": None})
    form = {"attributes": json.dumps(asked), "message_file": uploaded("m.html", "<p>Zoë</p>".encode())}

    answer = api.upload(PATH, form).expect(201)

    message = api.get("/email/message/", _id=answer.json["message_id"]["$oid"]).json
    assert (message["description"], message["email_message"]) == ("Subject", "<p>Zoë</p>")


def test_files_that_are_missing_or_fields(api: Program, parts: dict[str, str]) -> None:
    asked = attributes(parts, contact_group={"type": "upload", "name_index": 1, "email_index": 0})
    for more in ({}, {"csv_file": "a@example.com"}, {"csv_file": uploaded("f.csv", b"")}):
        answer = api.upload(PATH, {"attributes": json.dumps(asked)} | more).expect(400)
        assert list(answer.json) == ["csv_file"]
    assert [len(api.get(path).json) for path in (PATH, "/email/contact/", "/email/message/")] == [0, 1, 1]


def test_attributes_in_a_file_part_have_a_limit(api: Program, settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000

    api.upload(PATH, {"attributes": uploaded("blob", b'"' + b"x" * 1000 + b'"')}).expect(413)
