"""Results over HTTP; how they are found and counted has tests of its own."""

import pytest

from sendmill.delivery.models import Chunk, Delivery, DeliveryAttempt
from sendmill.delivery.queue import id_range
from sendmill.delivery.states import State
from tests.database.api.conftest import Program, Tenant
from tests.database.api.test_campaigns import new_campaign

PATH = "/email/result/filter/"
AUGUST = {"start_date": "2016-08-01", "end_date": "2016-08-31"}
KEYS = [
    "$_id", "client_id", "queue_id", "campaign_id", "contact", "campaign_name", "disposition", "start_date",
    "modified_on", "email_to", "email_from_id", "complete", "status",
]  # fmt: skip


@pytest.fixture
def campaign_id(acme: Tenant) -> str:
    """A campaign of which three recipients are delivered, started on 2016-08-22."""
    parts = {"sender": "1" * 24, "message": "2" * 24, "group": "3" * 24}
    start_ms = 1471867539571
    campaign = new_campaign(acme.client, parts, frozen_sender="a@example.com", starts_at="2016-08-22T12:00:00Z")
    chunk = Chunk.objects.create(campaign=campaign, rows=3)
    first, _ = id_range(chunk.pk)
    for number in range(3):
        Delivery.objects.create(
            id=first + number, email=f"{number}@example.com", name=f"No. {number}", fields='{"city": "Bern"}',
            state=State.DELIVERED, start_ms=start_ms, modified_ms=start_ms + 1000,
        )  # fmt: skip
    return campaign.object_id


@pytest.mark.parametrize("mount", ["", "/api/v1"])
def test_results_of_a_period(acme: Tenant, other: Tenant, campaign_id: str, mount: str) -> None:
    results = acme.api.get(mount + PATH, **AUGUST).expect(200)

    assert results.content_type == "application/json"
    assert [list(result) for result in results.json] == [KEYS] * 3
    first = results.json[0]
    assert first | {"$_id": None, "queue_id": None} == {
        "$_id": None,
        "client_id": {"$oid": acme.client.object_id},
        "queue_id": None,
        "campaign_id": {"$oid": campaign_id},
        "contact": {"name": "No. 0", "email": "0@example.com", "city": "Bern"},
        "campaign_name": "My Campaign",
        "disposition": "delivered",
        "start_date": "2016-08-22T12:05:39.571000",
        "modified_on": "2016-08-22T12:05:40.571000",
        "email_to": "0@example.com",
        "email_from_id": "a@example.com",
        "complete": True,
        "status": "completed",
    }
    assert acme.api.get(mount + PATH, **AUGUST, campaign_id=campaign_id).json == results.json
    assert acme.api.get(mount + PATH, **AUGUST, campaign_id="").json == results.json
    assert other.api.get(mount + PATH, **AUGUST).json == []
    assert other.api.get(mount + PATH, **AUGUST, campaign_id=campaign_id).json == []


def test_nothing_found_is_an_empty_list(api: Program, campaign_id: str) -> None:
    for query in (
        {"start_date": "2016-08-23", "end_date": "2016-08-31"},
        {"start_date": "2016-08-31", "end_date": "2016-08-01"},
        AUGUST | {"campaign_id": "57bb010e2cd5264797b017e5"},
        AUGUST | {"campaign_id": "nonsense\0"},
    ):
        assert api.get(PATH, **query).expect(200).body == b"[]"


def test_limit_and_after_walk_through_the_results(api: Program, campaign_id: str) -> None:
    ids = [result["$_id"]["$oid"] for result in api.get(PATH, **AUGUST).json]

    seen: list[str] = []
    while page := api.get(PATH, **AUGUST, limit="2", after=seen[-1] if seen else "").json:
        seen += [result["$_id"]["$oid"] for result in page]

    assert seen == ids
    assert list(api.get(PATH, **AUGUST, limit="0").expect(400).json) == ["limit"]
    assert list(api.get(PATH, **AUGUST, after="nonsense").expect(400).json) == ["after"]


def test_the_history_of_a_result_has_every_attempt(acme: Tenant, other: Tenant, campaign_id: str) -> None:
    delivery = Delivery.objects.order_by("id")[0]
    said = {"reply_code": 451, "reply": "4.7.1 greylisted", "relay": "mx.example.com:25"}
    DeliveryAttempt.objects.create(
        delivery=delivery, state=State.DEFERRED, attempts=1, recorded_ms=1471867539571, **said
    )
    Delivery.objects.filter(pk=delivery.pk).update(
        attempts=2, reply_code=250, reply="2.0.0 Ok", relay="mx.example.com:25"
    )
    result_id = acme.api.get(PATH, **AUGUST).json[0]["$_id"]

    told = acme.api.get("/email/result/history/", _id=result_id["$oid"]).expect(200).json

    assert told == {
        "result_id": result_id,
        "history": [
            {"disposition": "deferred", "recorded_on": "2016-08-22T12:05:39.571000", **said},
            {
                "disposition": "delivered", "recorded_on": "2016-08-22T12:05:40.571000",
                "reply_code": 250, "reply": "2.0.0 Ok", "relay": "mx.example.com:25",
            },
        ],
    }  # fmt: skip
    other.api.get("/email/result/history/", _id=result_id["$oid"]).expect(404)
    acme.api.get("/email/result/history/", _id="d0" * 12).expect(404)
    assert list(acme.api.get("/email/result/history/").expect(400).json) == ["_id"]


def test_the_dates_are_needed(api: Program) -> None:
    required = ["This field is required."]
    assert api.get(PATH).expect(400).json == {"start_date": required, "end_date": required}
    assert api.get(PATH, start_date="2016-08-01", end_date="").expect(400).json == {"end_date": required}
    for wrong in ("2016-02-30", "yesterday", "2016-08-01T00:00", "2016-08-01\0"):
        answer = api.get(PATH, start_date=wrong, end_date="2016-08-01")
        assert list(answer.expect(400).json) == ["start_date"]
