"""How values look in JSON, and answers made of it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from django.http import HttpResponse

CONTENT_TYPE = "application/json"


def oid(object_id: str) -> dict[str, str]:
    """`{"$oid": "<24 hex>"}`."""
    return {"$oid": object_id}


def time_text(instant: datetime) -> str:
    """`2016-08-22T12:05:39.571000`: UTC without an offset, six digits of which the last three are cut off."""
    return f"{instant.astimezone(UTC).isoformat(timespec='milliseconds')[:23]}000"  # in half of strftime's time


def json_bytes(value: Any) -> bytes:
    """`value` as JSON.

    orjson takes neither lone surrogates nor integers beyond 64 bits, which an error message that repeats what was
    posted may have; the standard library escapes them.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=True).encode("ascii")


def json_answer(status: int, value: Any, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """An answer made outside of Django REST framework's views."""
    return HttpResponse(json_bytes(value), status=status, content_type=CONTENT_TYPE, headers=headers)


def no_content() -> HttpResponse:
    """204 with the Content-Type that the reference documents, which REST framework's own response would drop."""
    return HttpResponse(status=204, content_type=CONTENT_TYPE)
