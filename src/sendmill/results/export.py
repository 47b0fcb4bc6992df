"""Results as CSV: what the API's JSON says of each, the mail server's own words, and the contact's columns."""

from collections.abc import Iterator

import orjson
from django.db import connection

from sendmill.accounts.models import Client
from sendmill.csv_lines import MARK, Cell, csv_lines
from sendmill.delivery.chunk_counts import id_range
from sendmill.delivery.clock import milliseconds
from sendmill.delivery.states import DISPOSITIONS, State, is_final
from sendmill.ids import KIND_DELIVERY, numbered, parse_object_id
from sendmill.results.queries import Period, iterate_chunks
from sendmill.results.rows import Heading, time_text

COLUMNS = (
    "result_id", "campaign_id", "campaign_name", "email_from", "email", "name", "disposition", "status", "attempts",
    "reply_code", "reply", "relay", "start_date", "modified_on",
)  # fmt: skip

_ROWS = """
SELECT id, email, name, fields, state, attempts, reply_code, reply, relay, start_ms, modified_ms
FROM delivery_delivery WHERE id BETWEEN %s AND %s AND start_ms BETWEEN %s AND %s ORDER BY id
"""
_KEYS_SQLITE = """
SELECT j.key FROM delivery_delivery d, json_each(d.fields) j
WHERE d.id BETWEEN %s AND %s AND d.start_ms BETWEEN %s AND %s GROUP BY j.key ORDER BY min(d.id), min(j.id)
"""
_KEYS_POSTGRESQL = """
SELECT j.key FROM delivery_delivery d,
    LATERAL json_object_keys(CAST(d.fields AS json)) WITH ORDINALITY AS j (key, place)
WHERE d.id BETWEEN %s AND %s AND d.start_ms BETWEEN %s AND %s GROUP BY j.key ORDER BY min(d.id), min(j.place)
"""

_Row = tuple[int, str, str, str, int, int, int | None, str, str, int, int]


def exported_results(
    client: Client, period: Period, campaign_object_id: str | None = None, *, raw: bool = False
) -> Iterator[bytes]:
    """The client's results of a period, oldest first, a chunk at a time, under a line of headings.

    The columns of all contacts follow `COLUMNS`; one of the same heading gets `contact_` before it. An unknown or
    malformed `campaign_object_id`, or a period that ends before it starts, has no results. Cells that a spreadsheet
    would run are made harmless unless `raw`.
    """
    wanted = None if campaign_object_id is None else parse_object_id(campaign_object_id)
    is_empty = period.first > period.last or (campaign_object_id is not None and wanted is None)
    keys: dict[str, None] = {}
    if not is_empty:
        for chunk_id, _ in iterate_chunks(client, period, wanted):
            keys.update(dict.fromkeys(_keys_of_chunk(chunk_id, period)))
    headings = [f"contact_{key}" if key in COLUMNS else key for key in keys]
    yield MARK + csv_lines([[*COLUMNS, *headings]], raw=raw)
    if is_empty:
        return
    for chunk_id, heading in iterate_chunks(client, period, wanted):
        with connection.cursor() as cursor:
            cursor.execute(_ROWS, _bounds(chunk_id, period))
            rows = cursor.fetchall()
        if rows:
            yield csv_lines([_cells(heading, row, list(keys)) for row in rows], raw=raw)


def _keys_of_chunk(chunk_id: int, period: Period) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            _KEYS_POSTGRESQL if connection.vendor == "postgresql" else _KEYS_SQLITE, _bounds(chunk_id, period)
        )
        return [row[0] for row in cursor.fetchall()]


def _bounds(chunk_id: int, period: Period) -> list[int]:
    return [*id_range(chunk_id), milliseconds(period.begins), milliseconds(period.ends)]


def _cells(heading: Heading, row: _Row, keys: list[str]) -> list[Cell]:
    number, email, name, fields_text, state, attempts, reply_code, reply, relay, start_ms, modified_ms = row
    fields = orjson.loads(fields_text) if keys else {}
    return [
        numbered(heading.campaign_object_id, KIND_DELIVERY, number),
        heading.campaign_object_id,
        heading.campaign_name,
        heading.sender_email,
        email,
        name,
        DISPOSITIONS[State(state)],
        "completed" if is_final(State(state)) else "pending",
        attempts,
        "" if reply_code is None else reply_code,
        reply,
        relay,
        time_text(start_ms),
        time_text(modified_ms),
        *[fields.get(key, "") for key in keys],
    ]
