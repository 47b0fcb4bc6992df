"""Databases for servers under test: copies of one that `sendmill migrate` made, for that alone takes a second."""

import functools
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
from pathlib import Path

import psycopg

SENDMILL = str(Path(sys.executable).parent / "sendmill")


def add_sqlite(data: Path) -> None:
    """A migrated database in a data folder."""
    data.mkdir(parents=True)
    shutil.copy(_migrated_sqlite(), data)


def add_postgresql(cluster: str, is_migrated: bool) -> str:
    """A database, migrated or empty, beside the one that this address names; its own address."""
    return _create(cluster, f"TEMPLATE {_name(_migrated_postgresql(cluster))}" if is_migrated else "")


def drop_postgresql(url: str) -> None:
    _execute(_with_name(url, "postgres"), f"DROP DATABASE {_name(url)} WITH (FORCE)")


@functools.cache
def _migrated_sqlite() -> Path:
    data = Path(tempfile.mkdtemp(prefix="migrated-", dir=os.environ["SENDMILL_DATA"]))
    _migrate(SENDMILL_DATA=str(data))
    return data / "sendmill.sqlite3"


@functools.cache
def _migrated_postgresql(cluster: str) -> str:
    """It is left in the cluster, which ends with the tests."""
    url = _create(cluster)
    with tempfile.TemporaryDirectory() as data:
        _migrate(SENDMILL_DATA=data, SENDMILL_DATABASE_URL=url)
    return url


def _migrate(**settings: str) -> None:
    others = {name: value for name, value in os.environ.items() if not name.startswith(("SENDMILL_", "DJANGO_"))}
    subprocess.run([SENDMILL, "migrate"], env=others | settings, check=True, capture_output=True)


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
