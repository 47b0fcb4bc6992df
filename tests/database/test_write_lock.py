"""The write lock of SQLite: whoever waits gets it soon after it is free, and not before its holder lets go."""

import sqlite3
import threading
import time

import pytest
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db import OperationalError, connection, transaction

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        settings.DATABASES["default"]["ENGINE"] != "sendmill.sqlite",
        reason="PostgreSQL has no lock that all writers wait for",
    ),
]

HELD_SECONDS = 0.4
"""So long that SQLite by itself would look again only every 50 to 100 ms."""


@pytest.fixture
def other() -> sqlite3.Connection:
    return sqlite3.connect(settings.DATABASES["default"]["NAME"], isolation_level=None, check_same_thread=False)


def hold_then_let_go(other: sqlite3.Connection, freed: list[float]) -> threading.Thread:
    other.execute("BEGIN IMMEDIATE")

    def let_go() -> None:
        time.sleep(HELD_SECONDS)
        freed.append(time.monotonic())
        other.execute("COMMIT")

    thread = threading.Thread(target=let_go)
    thread.start()
    return thread


@pytest.mark.parametrize("alone", [False, True])
def test_who_waits_has_the_lock_soon_after_it_is_free(other: sqlite3.Connection, alone: bool) -> None:
    waits = []
    for _ in range(3):
        freed: list[float] = []
        thread = hold_then_let_go(other, freed)
        if alone:
            ContentType.objects.filter(pk=0).update(model="x")
            waits.append(time.monotonic() - freed[0])
        else:
            with transaction.atomic():
                waits.append(time.monotonic() - freed[0])
        thread.join()
    assert min(waits) > 0
    assert min(waits) < 0.02  # the least of three: a loaded machine makes all of them longer, never shorter


@pytest.mark.parametrize("statement", ["BEGIN IMMEDIATE", "DELETE FROM django_content_type WHERE id = 0"])
def test_the_time_limit_holds(other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.2)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(OperationalError, match="database is locked"), connection.cursor() as cursor:
        cursor.execute(statement)
    assert 0.2 <= time.monotonic() - began < 5
    other.execute("COMMIT")
    with transaction.atomic():
        pass


def test_who_read_before_another_wrote_is_told_at_once(other: sqlite3.Connection) -> None:
    began = time.monotonic()
    with pytest.raises(OperationalError, match="database is locked"), connection.cursor() as cursor:
        try:
            cursor.execute("BEGIN DEFERRED")
            cursor.execute("SELECT count(*) FROM django_content_type")
            other.execute("DELETE FROM django_content_type WHERE id = (SELECT max(id) FROM django_content_type)")
            cursor.execute("DELETE FROM django_content_type WHERE id = 0")
        finally:
            cursor.execute("ROLLBACK")
    assert time.monotonic() - began < 5  # the limit is 30: no waiting brings the old state back
