"""`sendmill doctor`: checks the installation and says what to do about what is wrong."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from sendmill import schema
from sendmill.campaigns.timezones import timezone_source
from sendmill.delivery.relays import Relay, parse_relays

LOW_SPACE_BYTES = 1 << 30
CONNECT_SECONDS = 5.0


class Finding(NamedTuple):
    """One line of the report. `advice` says what to do when it isn't good."""

    subject: str
    is_good: bool
    fact: str
    advice: str = ""


def run_doctor() -> int:
    """Print every finding; 0 when all are good, else 1."""
    all_good = True
    for finding in _findings():
        all_good &= finding.is_good
        print(f"{'ok' if finding.is_good else 'PROBLEM':8} {finding.subject:12} {finding.fact}")
        if not finding.is_good:
            print(f"{'':21} → {finding.advice}")
    return 0 if all_good else 1


def _findings() -> Iterator[Finding]:
    yield _database()
    yield _data_folder()
    yield _time_zones()
    for relay in parse_relays(settings.SENDMILL_SMTP_URL):
        yield _relay(relay)


def _database() -> Finding:
    try:
        connection.ensure_connection()
        pending = schema.pending_migrations()
    except DatabaseError as error:
        reason = str(error).strip().splitlines()[0]
        return Finding("database", False, reason, "Check SENDMILL_DATABASE_URL, and that the server runs.")
    if connection.vendor == "sqlite":
        version = f"SQLite {sqlite3.sqlite_version}, {settings.DATABASES['default']['NAME']}"
    else:
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_version")
            version = f"PostgreSQL {cursor.fetchone()[0]}"
    if pending:
        return Finding("database", False, f"{version}: {len(pending)} migrations behind", "Run 'sendmill migrate'.")
    return Finding("database", True, f"{version}, schema up to date")


def _data_folder() -> Finding:
    folder = settings.SENDMILL_DATA
    if not os.access(folder, os.W_OK):
        return Finding("data folder", False, f"{folder} can't be written", "Give this user the right to write there.")
    free = shutil.disk_usage(folder).free
    fact = f"{folder}, {free / (1 << 30):.1f} GiB free"
    return Finding("data folder", free >= LOW_SPACE_BYTES, fact, "Make room: below 1 GiB imports may fail.")


def _time_zones() -> Finding:
    path, release = timezone_source()
    return Finding("time zones", True, f"tzdata {release} from {path}")


def _relay(relay: Relay) -> Finding:
    if relay.kind == "outbox":
        return Finding("relay", True, f"outbox: mail is kept in {settings.SENDMILL_DATA / 'outbox'}, none leaves")
    try:
        greeting = asyncio.run(_greeting(relay))
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        fact = f"{relay.name} doesn't answer: {error or type(error).__name__}"
        return Finding("relay", False, fact, "Check SENDMILL_SMTP_URL, and that the mail server runs.")
    is_good = greeting.startswith("220")
    return Finding("relay", is_good, f"{relay.name} greets with: {greeting}", "The mail server refuses connections.")


async def _greeting(relay: Relay) -> str:
    """The first line that the mail server sends. Raises OSError or TimeoutError."""
    async with asyncio.timeout(CONNECT_SECONDS):
        reader, writer = await asyncio.open_connection(
            relay.host, relay.port, ssl=True if relay.tls == "implicit" and relay.verify else None
        )
        try:
            return (await reader.readuntil(b"\n")).decode("utf-8", "replace").strip()[:200]
        finally:
            writer.close()
