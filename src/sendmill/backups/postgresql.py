"""Copies of the PostgreSQL database, by pg_dump and pg_restore."""

import os
import shutil
import subprocess
from pathlib import Path

from django.db import connection, transaction
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sendmill.backups.manifest import BackupError

_SET_ASIDE = "replaced_"
_OF_PSYCOPG = ("cursor_factory", "context", "prepare_threshold", "server_side_binding", "options", "password")


def dump(to: Path) -> None:
    """Copy the database as it is at one moment, without what restores have set aside; nobody waits for it."""
    to.touch(mode=0o600)
    _run(
        "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--exclude-schema={_SET_ASIDE}*", f"--file={to}"
    )


def load(dumped: Path) -> None:
    """Fill the empty schema `public`, in one transaction. Other schemas may be in the dump, and here already."""
    _run(
        "pg_restore", "--schema=public", "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges",
        str(dumped),
    )  # fmt: skip


def require_readable(dumped: Path) -> None:
    """Raises BackupError unless pg_restore can read the whole dump."""
    _call([_program("pg_restore"), "--file=/dev/null", str(dumped)], os.environ)


def require_unused() -> None:
    """Raises BackupError while anybody else is connected to the database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), min(host(client_addr)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        count, address = cursor.fetchone()
    if count:
        where = f", one from {address}" if address else ""
        raise BackupError(f"The database is in use ({count} other connections{where}): stop every node first.")


def is_empty() -> bool:
    """Whether the schema `public` has nothing in it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        return bool(cursor.fetchone()[0] == 0)


def set_aside(stamp: str) -> str:
    """Give the schema another name, with all that is in it, and make an empty one; that name."""
    aside = f"{_SET_ASIDE}{stamp}"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.SQL("ALTER SCHEMA public RENAME TO {}").format(sql.Identifier(aside)))
        cursor.execute("CREATE SCHEMA public")
    return f"the schema {aside}"


def _run(program: str, *arguments: str) -> None:
    parameters = {
        name: value
        for name, value in connection.get_connection_params().items()
        if name not in _OF_PSYCOPG and value is not None
    }
    password = connection.settings_dict["PASSWORD"]
    environment = {**os.environ, **({"PGPASSWORD": password} if password else {})}  # not for `ps` to see
    _call([_program(program), f"--dbname={make_conninfo(**parameters)}", *arguments], environment)


def _call(command: list[str], environment: "os._Environ[str] | dict[str, str]") -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise BackupError(f"{Path(command[0]).name} failed: {said[0]}")


def _program(name: str) -> str:
    """Where a program of PostgreSQL is: on the path, or where Debian keeps them, the newest first."""
    kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]), reverse=True)
    found = shutil.which(name) or next(map(str, kept), None)
    if found is None:
        raise BackupError(f"{name} is not installed: on Debian it is in the package postgresql-client.")
    return found
