"""What was in a PostgreSQL database before a restore gets another name, in one piece or not at all."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from sendmill.backups import postgresql

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite has no schema to rename: its file gives way in one step"
    ),
]


def test_a_restore_that_ends_while_the_database_is_set_aside_can_be_made_again() -> None:
    def broken_off(execute: Callable[..., Any], sql: Any, *others: Any) -> Any:
        if "CREATE SCHEMA" in str(sql):
            raise KeyboardInterrupt
        return execute(sql, *others)

    with connection.execute_wrapper(broken_off), pytest.raises(KeyboardInterrupt):
        postgresql.set_aside("20261126000000")
    assert not postgresql.is_empty()
