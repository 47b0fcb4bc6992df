"""The write lock of SQLite: whoever waits gets it soon after it is free, and not before its holder lets go."""

import sqlite3
import threading
import time

import pytest
from django.conf import settings
from django.db import OperationalError, connection, transaction

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(settings.DATABASES["default"]["ENGINE"] != "sendmill.sqlite", reason="SQLite only"),
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


def test_who_waits_has_the_lock_soon_after_it_is_free(other: sqlite3.Connection) -> None:
    waits = []
    for _ in range(3):
        freed: list[float] = []
        thread = hold_then_let_go(other, freed)
        with transaction.atomic():
            waits.append(time.monotonic() - freed[0])
        thread.join()
    assert min(waits) > 0
    assert min(waits) < 0.02  # the least of three: a loaded machine makes all of them longer, never shorter


def test_the_time_limit_holds_and_what_reads_still_waits_for_all_of_it(
    other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.ensure_connection()
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.2)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(OperationalError, match="database is locked"), transaction.atomic():
        pass
    assert 0.2 <= time.monotonic() - began < 5
    other.execute("COMMIT")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        assert cursor.fetchone() == (200,)
    with transaction.atomic():
        pass
