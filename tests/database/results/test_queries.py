"""Results over stored deliveries: which ones, in which order, in pages."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sendmill.accounts.models import Client
from sendmill.campaigns.models import Campaign, Phase, Status
from sendmill.delivery.clock import milliseconds
from sendmill.delivery.models import Chunk, Delivery
from sendmill.delivery.queue import id_range
from sendmill.delivery.states import State
from sendmill.errors import InvalidField, InvalidFields
from sendmill.ids import KIND_QUEUE, numbered
from sendmill.results import queries
from sendmill.results.queries import iterate_results
from tests.database.campaigns.making import make_campaign, make_client

pytestmark = pytest.mark.django_db

MONTH = ("2026-05-01", "2026-05-31")


@pytest.fixture
def client() -> Client:
    return make_client()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def make_sent(client: Client, *, starts_at: str = "2026-05-10 12:00", name: str = "Spring", **fields: Any) -> Campaign:
    return make_campaign(
        client, name=name, starts_at=at(starts_at), phase=Phase.SENDING, frozen_sender="me@example.com", **fields
    )


def add_chunk(campaign: Campaign, emails: Sequence[str], starts: Sequence[datetime] | None = None) -> list[int]:
    """A chunk with one delivery for each address; their ids. They start with the campaign if nothing else is said."""
    chunk = Chunk.objects.create(campaign=campaign, rows=len(emails))
    first, _ = id_range(chunk.pk)
    times = [milliseconds(moment) for moment in starts or [campaign.starts_at] * len(emails)]
    Delivery.objects.bulk_create(
        Delivery(
            id=first + index, email=email, name=email[0].upper(), fields="{}", state=State.DELIVERED,
            start_ms=start, modified_ms=start,
        )
        for index, (email, start) in enumerate(zip(emails, times, strict=True))
    )  # fmt: skip
    return list(range(first, first + len(emails)))


def found(client: Client, *arguments: Any, **keywords: Any) -> list[dict[str, Any]]:
    pieces = list(iterate_results(client, *arguments, **keywords))
    assert b"" not in pieces
    return json.loads(b"[" + b",".join(pieces) + b"]")


def emails(results: list[dict[str, Any]]) -> list[str]:
    return [result["email_to"] for result in results]


def test_a_stored_delivery_is_shown_with_what_its_campaign_says(client: Client) -> None:
    campaign = make_sent(client)
    add_chunk(campaign, ["a@example.com"])
    Delivery.objects.update(
        name="Ann", fields='{"city":"Oslo"}', state=State.DEFERRED, modified_ms=milliseconds(at("2026-05-11 00:00"))
    )
    (result,) = found(client, *MONTH)
    assert result["$_id"]["$oid"].startswith(campaign.object_id[:8])
    assert result["client_id"] == {"$oid": client.object_id}
    assert result["campaign_id"] == {"$oid": campaign.object_id}
    assert result["contact"] == {"name": "Ann", "email": "a@example.com", "city": "Oslo"}
    assert result["campaign_name"] == "Spring"
    assert result["disposition"] == "deferred"
    assert result["start_date"] == "2026-05-10T12:00:00.000000"
    assert result["modified_on"] == "2026-05-11T00:00:00.000000"
    assert result["email_from_id"] == "me@example.com"


def test_all_campaigns_of_the_client_oldest_first(client: Client) -> None:
    first, second = make_sent(client), make_sent(client)
    add_chunk(second, ["a@example.com", "b@example.com"])
    add_chunk(first, ["c@example.com"])
    add_chunk(second, ["d@example.com"])
    assert emails(found(client, *MONTH)) == ["a@example.com", "b@example.com", "c@example.com", "d@example.com"]


def test_one_campaign(client: Client) -> None:
    first, second = make_sent(client), make_sent(client)
    add_chunk(first, ["a@example.com"])
    add_chunk(second, ["b@example.com"])
    assert emails(found(client, *MONTH, second.object_id)) == ["b@example.com"]
    assert emails(found(client, *MONTH, second.object_id.upper())) == ["b@example.com"]


def test_another_clients_results_are_never_seen(client: Client) -> None:
    other = make_sent(make_client("Other"))
    add_chunk(other, ["secret@example.com"])
    assert found(client, *MONTH) == []
    assert found(client, *MONTH, other.object_id) == []


@pytest.mark.parametrize("object_id", ["", "7", "x" * 24, "0" * 23, "f" * 24])
def test_an_unknown_or_malformed_campaign_has_none(client: Client, object_id: str) -> None:
    add_chunk(make_sent(client), ["a@example.com"])
    assert found(client, *MONTH, object_id) == []


def test_the_period_includes_both_days_to_the_millisecond(client: Client) -> None:
    campaign = make_sent(client, starts_at="2026-05-01 00:00")
    moments = {
        "before@example.com": at("2026-05-09 23:59:59.999"),
        "first@example.com": at("2026-05-10 00:00"),
        "last@example.com": at("2026-05-11 23:59:59.999"),
        "after@example.com": at("2026-05-12 00:00"),
    }
    add_chunk(campaign, list(moments), list(moments.values()))
    assert emails(found(client, "2026-05-10", "2026-05-11")) == ["first@example.com", "last@example.com"]
    assert emails(found(client, "2026-05-09", "2026-05-09")) == ["before@example.com"]


def test_a_period_that_ends_before_it_starts_has_none(client: Client) -> None:
    add_chunk(make_sent(client), ["a@example.com"])
    assert found(client, "2026-05-31", "2026-05-01") == []


@pytest.mark.parametrize(("first", "last"), [("0001-01-01", "9999-12-31"), ("1970-01-01", "3000-01-01")])
def test_the_longest_periods_hold_everything(client: Client, first: str, last: str) -> None:
    add_chunk(make_sent(client), ["a@example.com"])
    assert emails(found(client, first, last)) == ["a@example.com"]


@pytest.mark.parametrize("text", ["yesterday", "2026-02-30", "2026-13-01", "01.05.2026", "2026-05-01T00:00", "0", "٢"])
def test_a_malformed_date_names_its_field(client: Client, text: str) -> None:
    for field, arguments in (("start_date", (text, "2026-05-01")), ("end_date", ("2026-05-01", text))):
        with pytest.raises(InvalidFields) as caught:
            iterate_results(client, *arguments)
        assert [(error.path, error.reason) for error in caught.value.errors] == [
            ((field,), "Date has wrong format. Use one of these formats instead: YYYY-MM-DD.")
        ]


@pytest.mark.parametrize("missing", [None, "", " "])
def test_missing_dates_are_both_named(client: Client, missing: str | None) -> None:
    with pytest.raises(InvalidFields) as caught:
        iterate_results(client, missing, missing)
    assert [(error.path, error.reason) for error in caught.value.errors] == [
        (("start_date",), "This field is required."),
        (("end_date",), "This field is required."),
    ]


def test_a_page_begins_behind_the_last_of_the_one_before(client: Client) -> None:
    campaign = make_sent(client)
    everyone = [f"{letter}@example.com" for letter in "abcdefg"]
    add_chunk(campaign, everyone[:3])
    add_chunk(campaign, everyone[3:])
    for size in range(1, 9):
        seen: list[str] = []
        after = None
        while page := found(client, *MONTH, after=after, limit=size):
            assert len(page) <= size
            seen += emails(page)
            after = page[-1]["$_id"]["$oid"]
        assert seen == everyone


def test_the_limit_counts_results_of_the_period_only(client: Client) -> None:
    campaign = make_sent(client)
    add_chunk(
        campaign, ["a@example.com", "b@example.com", "c@example.com"], [at("2026-04-01"), *[at("2026-05-10")] * 2]
    )
    assert emails(found(client, *MONTH, limit=2)) == ["b@example.com", "c@example.com"]


@pytest.mark.parametrize("after", ["", "7", numbered("0" * 24, KIND_QUEUE, 1), "57bb010e2cd5264797b017e5"])
def test_what_is_no_result_cannot_be_begun_behind(client: Client, after: str) -> None:
    with pytest.raises(InvalidField) as caught:
        iterate_results(client, *MONTH, after=after)
    assert caught.value.path == ("after",)


def test_chunks_are_read_in_pages(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "CHUNKS_A_PAGE", 2)
    campaigns = [make_sent(client, name=str(number)) for number in range(5)]
    for campaign in campaigns:
        add_chunk(campaign, [f"{campaign.name}@example.com"])
    assert [result["campaign_name"] for result in found(client, *MONTH)] == ["0", "1", "2", "3", "4"]
    assert len(list(iterate_results(client, *MONTH))) == 5


def test_last_years_campaigns_are_not_read_for_this_month(client: Client) -> None:
    old = make_sent(client, starts_at="2025-05-10 12:00", status=Status.COMPLETED, modified_on=at("2025-05-11 12:00"))
    for _ in range(20):
        add_chunk(old, ["old@example.com"])
    add_chunk(make_sent(client), ["new@example.com"])
    add_chunk(make_sent(client, starts_at="2026-07-01 12:00"), ["later@example.com"])
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert emails(found(client, *MONTH)) == ["new@example.com"]
    assert len([query for query in captured if "delivery_delivery" in query["sql"]]) == 1


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.PAUSED, Status.CANCELLED])
def test_an_old_campaign_that_was_never_completed_is_read(client: Client, status: Status) -> None:
    old = make_sent(client, starts_at="2025-05-10 12:00", status=status, modified_on=at("2025-05-10 12:00"))
    add_chunk(old, ["a@example.com", "b@example.com"], [at("2025-05-10 12:00"), at("2026-05-02 12:00")])
    assert emails(found(client, *MONTH)) == ["b@example.com"]


def test_a_campaign_completed_within_the_period_is_read(client: Client) -> None:
    campaign = make_sent(
        client, starts_at="2026-04-30 23:59", status=Status.COMPLETED, modified_on=at("2026-05-01 00:01")
    )
    add_chunk(campaign, ["a@example.com"], [at("2026-05-01 00:00")])
    assert emails(found(client, *MONTH)) == ["a@example.com"]


def test_clocks_that_differ_by_minutes_lose_nothing(client: Client) -> None:
    """Who completes a campaign, who starts it and who sends may be three machines."""
    hour = timedelta(hours=1)
    ended = make_sent(
        client, starts_at="2026-04-29 12:00", status=Status.COMPLETED, modified_on=at("2026-05-01 00:00") - hour
    )
    add_chunk(ended, ["a@example.com"], [at("2026-05-01 00:00")])
    begun = make_sent(client, starts_at="2026-06-01 00:30")
    add_chunk(begun, ["b@example.com"], [at("2026-05-31 23:59")])
    assert emails(found(client, *MONTH)) == ["a@example.com", "b@example.com"]
