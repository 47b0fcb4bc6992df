"""A session that hangs in a transaction must not keep its locks for longer than a lease."""

import pytest
from django.conf import settings
from django.db import connection

pytestmark = pytest.mark.django_db


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL only")
def test_postgresql_ends_it_with_the_lease():
    with connection.cursor() as cursor:
        cursor.execute("SELECT setting FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'")
        assert int(cursor.fetchone()[0]) == settings.SENDMILL_LEASE_SECONDS * 1000
