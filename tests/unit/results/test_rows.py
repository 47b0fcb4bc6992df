"""One delivery's row as the documented JSON object: keys, their order, ids, times, dispositions, contact."""

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendmill.delivery.states import State
from sendmill.ids import KIND_DELIVERY, KIND_QUEUE, number_of
from sendmill.results.rows import DeliveryRow, Heading, results_json, time_text

HEADING = Heading("c" * 24, "57bb010e2cd5264797b017e5", 'The "Spring" sale', "me@example.com")
# Text as it can be stored: any character but a lone surrogate.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def row(
    number: int = 7, name: str = "Ann", fields: str = "{}", state: State = State.DELIVERED, start_ms: int = 0
) -> DeliveryRow:
    return number, "ann@example.com", name, fields, int(state), start_ms, start_ms + 1


def results_of(*rows: DeliveryRow) -> Any:
    return json.loads(b"[" + results_json(HEADING, rows) + b"]")


def test_the_documented_object_in_the_documented_order() -> None:
    (result,) = results_of(row(start_ms=1471867539571, fields='{"city":"Oslo","plan":"gold"}'))
    assert list(result.items()) == [
        ("$_id", {"$oid": "57bb010ed000000000000007"}),
        ("client_id", {"$oid": "c" * 24}),
        ("queue_id", {"$oid": "57bb010ed100000000000007"}),
        ("campaign_id", {"$oid": "57bb010e2cd5264797b017e5"}),
        ("contact", {"name": "Ann", "email": "ann@example.com", "city": "Oslo", "plan": "gold"}),
        ("campaign_name", 'The "Spring" sale'),
        ("disposition", "delivered"),
        ("start_date", "2016-08-22T12:05:39.571000"),
        ("modified_on", "2016-08-22T12:05:39.572000"),
        ("email_to", "ann@example.com"),
        ("email_from_id", "me@example.com"),
        ("complete", True),
        ("status", "completed"),
    ]
    assert list(result["contact"]) == ["name", "email", "city", "plan"]


def test_ids_lead_back_to_the_row() -> None:
    (result,) = results_of(row(number=2**50 + 3))
    assert number_of(result["$_id"]["$oid"], KIND_DELIVERY) == 2**50 + 3
    assert number_of(result["queue_id"]["$oid"], KIND_QUEUE) == 2**50 + 3


@pytest.mark.parametrize(
    ("state", "status", "complete", "disposition"),
    [
        (State.QUEUED, "pending", False, "queued"),
        (State.SENDING, "pending", False, "queued"),
        (State.DEFERRED, "pending", False, "deferred"),
        (State.UNCONFIRMED, "pending", False, "unconfirmed"),
        (State.SENDING_AGAIN, "pending", False, "unconfirmed"),
        (State.DELIVERED, "completed", True, "delivered"),
        (State.BOUNCED, "completed", True, "bounced"),
        (State.FAILED, "completed", True, "failed"),
        (State.OPTOUT, "completed", True, "optout"),
        (State.CANCELLED, "completed", True, "cancelled"),
        (State.INVALID, "completed", True, "invalid"),
        (State.UNCONFIRMED_HELD, "completed", True, "unconfirmed"),
    ],
)
def test_states(state: State, status: str, complete: bool, disposition: str) -> None:
    (result,) = results_of(row(state=state))
    assert (result["status"], result["complete"], result["disposition"]) == (status, complete, disposition)


def test_every_state_is_shown() -> None:
    assert len(results_of(*[row(state=state) for state in State])) == len(State)


def test_other_columns_do_not_override_name_and_email() -> None:
    (result,) = results_of(row(fields='{"city":"Oslo","email":"evil@example.com","name":"Eve","Name":"Kept"}'))
    assert list(result["contact"].items()) == [
        ("name", "Ann"),
        ("email", "ann@example.com"),
        ("city", "Oslo"),
        ("Name", "Kept"),
    ]


@given(name=TEXT, fields=st.dictionaries(TEXT, TEXT, max_size=4))
def test_any_text_comes_back_as_it_was(name: str, fields: dict[str, str]) -> None:
    (result,) = results_of(row(name=name, fields=orjson.dumps(fields).decode()))
    assert result["contact"] == {**fields, "name": name, "email": "ann@example.com"}


def test_no_rows_are_no_bytes() -> None:
    assert results_json(HEADING, []) == b""


@given(st.integers(0, 32503680000000))
def test_times_are_what_datetime_makes_of_them(milliseconds: int) -> None:
    expected = datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)
    assert time_text(milliseconds) == expected.replace(tzinfo=None).isoformat(timespec="microseconds")
