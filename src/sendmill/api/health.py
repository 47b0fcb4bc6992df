"""`/healthz`: this process answers. `/readyz`: it has a database, and that is up to date."""

import threading

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse

from sendmill.api.rendering import json_answer
from sendmill.schema import pending_migrations

_seen_current = threading.Event()
"""Set once the migrations were seen to be current: to read them all takes 100 ms, and none is ever taken back."""


def healthy(request: HttpRequest) -> HttpResponse:
    return json_answer(200, {"status": "ok"})


def ready(request: HttpRequest) -> HttpResponse:
    """200, or 503 that says what is missing."""
    if missing := _missing():
        return json_answer(503, {"status": "unavailable", "detail": missing})
    return json_answer(200, {"status": "ok"})


def _missing() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not _seen_current.is_set() and pending_migrations():
            return "The database's migrations are behind: run `sendmill migrate`."
        _seen_current.set()
    except DatabaseError:
        return "The database can't be reached."
    return ""
