"""The database's schema: whether it is current, and bringing it up to date."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from sendmill.errors import SendmillError

# Any number that nothing else in this database uses as an advisory lock.
_ADVISORY_LOCK = 7_736_363_114


RESTORING_TABLE = "sendmill_restoring"
"""It is there from before a backup's rows until what they leave open is settled: then nobody else may use them."""


def require_not_restoring() -> None:
    """Raises SendmillError while a restore of this database has not come to its end."""
    if RESTORING_TABLE in connection.introspection.table_names():
        raise SendmillError(
            "A restore of this database has not come to its end. Run 'sendmill restore' again with --replace."
        )


def pending_migrations() -> list[str]:
    """The migrations this version has and the database hasn't, as `app.name`, in the order they will be applied."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def migrate() -> list[str]:
    """Apply what is pending, one process at a time whatever the number of nodes; the migrations applied."""
    require_not_restoring()
    return apply_pending()


def apply_pending() -> list[str]:
    """As `migrate`, on a database that is being restored too."""
    with _one_at_a_time():
        pending = pending_migrations()
        if pending:
            call_command("migrate", interactive=False, verbosity=0)
        return pending


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [_ADVISORY_LOCK])
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_ADVISORY_LOCK])
    else:
        with (settings.SENDMILL_DATA / "migrate.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
