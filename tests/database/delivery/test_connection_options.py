"""What our connections to PostgreSQL ask for, whatever the server's own settings are."""

import asyncio

import pytest
from django.conf import settings
from django.db import connection

from sendmill.delivery.database_thread import DatabaseThread

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no sessions to set them for"),
]


def _setting(name: str, column: str = "setting") -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM pg_settings WHERE name = %s", [name])
        return cursor.fetchone()[0]


def _idle_ms() -> int:
    return int(_setting("idle_in_transaction_session_timeout"))


def test_a_session_that_hangs_in_a_transaction_ends_with_its_lease():
    assert _idle_ms() == settings.SENDMILL_LEASE_SECONDS * 1000


def test_of_a_delivery_process_it_ends_long_before_the_leases_of_those_who_wait_for_its_locks():
    async def asked_before_and_after_a_reconnect() -> list[int]:
        thread = DatabaseThread(idle_seconds=2.5)
        asked = await thread.run(_idle_ms)
        await thread.run(lambda: connection.close())
        again = await thread.run(_idle_ms)
        await thread.close()
        return [asked, again]

    assert asyncio.run(asked_before_and_after_a_reconnect()) == [2_500, 2_500]


def test_commits_outlive_a_crash_of_a_server_whose_default_is_otherwise():
    assert _setting("synchronous_commit", "reset_val") == "on"
    assert _setting("synchronous_commit", "source") == "client"
