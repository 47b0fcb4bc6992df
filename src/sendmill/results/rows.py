"""From a delivery's row to its result as the API documents it, in JSON. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from sendmill.delivery.states import DISPOSITIONS, State, is_final
from sendmill.ids import KIND_DELIVERY, KIND_QUEUE, numbered

DeliveryRow = tuple[int, str, str, str, int, int, int]
"""id, email, name, fields (JSON text), state, start in ms, last change in ms."""


class Heading(NamedTuple):
    """What all results of a campaign have in common."""

    client_object_id: str
    campaign_object_id: str
    campaign_name: str
    sender_email: str


def time_text(milliseconds: int) -> str:
    """`2016-08-22T12:05:39.571000` for milliseconds since 1970, UTC."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_second_text(seconds)}.{rest:03d}000"


@lru_cache(maxsize=4096)  # neighbours share their seconds: 0.2 µs instead of 1.2
def _second_text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


_SHOWN = {int(state): (DISPOSITIONS[state], is_final(state)) for state in State}


def results_json(heading: Heading, rows: Iterable[DeliveryRow]) -> bytes:
    """The results of these deliveries of one campaign as JSON objects with commas between them. 2.5 µs a row."""
    client_id = {"$oid": heading.client_object_id}
    campaign_id = {"$oid": heading.campaign_object_id}
    results = []
    for number, email, name, fields, state, start_ms, modified_ms in rows:
        disposition, complete = _SHOWN[state]
        results.append(
            {
                "$_id": {"$oid": numbered(heading.campaign_object_id, KIND_DELIVERY, number)},
                "client_id": client_id,
                "queue_id": {"$oid": numbered(heading.campaign_object_id, KIND_QUEUE, number)},
                "campaign_id": campaign_id,
                "contact": _contact(name, email, fields),
                "campaign_name": heading.campaign_name,
                "disposition": disposition,
                "start_date": time_text(start_ms),
                "modified_on": time_text(modified_ms),
                "email_to": email,
                "email_from_id": heading.sender_email,
                "complete": complete,
                "status": "completed" if complete else "pending",
            }
        )
    return orjson.dumps(results)[1:-1]


def _contact(name: str, email: str, fields: str) -> dict[str, Any]:
    """Name and email first; another column of one of these names gives way."""
    contact = {"name": name, "email": email}
    return contact if fields == "{}" else contact | orjson.loads(fields) | contact
