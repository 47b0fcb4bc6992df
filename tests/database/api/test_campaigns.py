"""Campaigns over HTTP; what makes and moves them has tests of its own."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

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
