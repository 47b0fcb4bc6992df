"""From a delivery's row to its result as the API documents it, in JSON. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from sendmill.delivery.states import DISPOSITIONS, State, is_final
from sendmill.ids import KIND_DELIVERY, KIND_QUEUE, number_digits, numbered_prefix

DeliveryRow = tuple[int, str, str, str, int, int, int]
"""id, email, name, fields (JSON text), state, start in ms, last change in ms."""


class Heading(NamedTuple):
    """What all results of a campaign have in common."""

    client_object_id: str
    campaign_object_id: str
    campaign_name: str
    sender_email: str


@lru_cache(maxsize=4096)  # what was recorded together shares its moment
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
    delivery, queue = (numbered_prefix(heading.campaign_object_id, kind) for kind in (KIND_DELIVERY, KIND_QUEUE))
    results = []
    for number, email, name, fields, state, start_ms, modified_ms in rows:
        disposition, complete = _SHOWN[state]
        digits = number_digits(number)
        results.append(
            {
                "$_id": {"$oid": delivery + digits},
                "client_id": client_id,
                "queue_id": {"$oid": queue + digits},
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
    contact: dict[str, Any] = {"name": name, "email": email}
    if fields != "{}":
        contact.update(orjson.loads(fields))
        contact["name"], contact["email"] = name, email
    return contact
