"""Databases for servers under test: copies of one that `sendmill` migrated and gave a client to.

Each of these two commands takes a second of CPU, and nearly every test needs both.
"""

import functools
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

SENDMILL = str(Path(sys.executable).parent / "sendmill")

#: The client that every migrated database has; its name is the one that tests have for their first client.
READY_CLIENT = "acme"

#: For what has to do with processes, terminals, TCP and turns, but not with databases.
same_to_either_database = pytest.mark.skipif(
    bool(os.environ.get("SENDMILL_DATABASE_URL")),
    reason="the same to either database, and each server costs seconds of CPU: tried beside SQLite",
)


@dataclass(frozen=True)
class Migrated:
    """A database to copy: SQLite's file or PostgreSQL's address, and what `client add --json` said."""

    place: str
    client: dict[str, str]


def add_sqlite(data: Path) -> dict[str, str]:
    """A migrated database in a data folder; its client."""
    migrated = _migrated_sqlite()
    data.mkdir(parents=True)
    shutil.copy(migrated.place, data)
    return migrated.client


def add_postgresql(cluster: str) -> tuple[str, dict[str, str]]:
    """A migrated database beside the one that this address names: its own address, and its client."""
    migrated = _migrated_postgresql(cluster)
    return _create(cluster, f"TEMPLATE {_name(migrated.place)}"), migrated.client


def add_empty_postgresql(cluster: str) -> str:
    """A database without tables beside the one that this address names; its own address."""
    return _create(cluster)


def drop_postgresql(url: str) -> None:
    _execute(_with_name(url, "postgres"), f"DROP DATABASE {_name(url)} WITH (FORCE)")


@functools.cache
def _migrated_sqlite() -> Migrated:
    data = Path(tempfile.mkdtemp(prefix="migrated-", dir=os.environ["SENDMILL_DATA"]))
    client = _client_of_new_database(SENDMILL_DATA=str(data))
    return Migrated(str(data / "sendmill.sqlite3"), client)


@functools.cache
def _migrated_postgresql(cluster: str) -> Migrated:
    """It is left in the cluster, which ends with the tests."""
    url = _create(cluster)
    with tempfile.TemporaryDirectory() as data:
        return Migrated(url, _client_of_new_database(SENDMILL_DATA=data, SENDMILL_DATABASE_URL=url))


def _client_of_new_database(**settings: str) -> dict[str, str]:
    """Migrates the database, which `client add` does by itself."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(("SENDMILL_", "DJANGO_"))}
    command = [SENDMILL, "client", "add", READY_CLIENT, "--email", f"{READY_CLIENT}@client.test", "--json"]
    added = subprocess.run(command, env=others | settings, check=True, capture_output=True)
    return dict(json.loads(added.stdout))


def _create(cluster: str, options: str = "") -> str:
    url = _with_name(cluster, f"end_to_end_{secrets.token_hex(6)}")
    _execute(cluster, f"CREATE DATABASE {_name(url)} {options}")
    return url


def _name(url: str) -> str:
    return urllib.parse.urlsplit(url).path.removeprefix("/")


def _with_name(url: str, name: str) -> str:
    return urllib.parse.urlunsplit(urllib.parse.urlsplit(url)._replace(path=f"/{name}"))


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
