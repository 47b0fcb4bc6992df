"""`sendmill doctor`: checks the installation and says what to do about what is wrong."""

import ctypes
import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator, Sequence

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone

from sendmill import schema
from sendmill.backups.manifest import SECRET_KEY
from sendmill.campaigns.timezones import timezone_source
from sendmill.commands.doctor_domains import examine_domains
from sendmill.commands.doctor_relays import examine_relays
from sendmill.commands.finding import Finding
from sendmill.delivery.clock import database_ms, now_ms
from sendmill.delivery.relays import parse_relays
from sendmill.errors import SendmillError
from sendmill.optouts.suppressions import lost_suppressions

LOW_SPACE_BYTES = 1 << 30
CLOCK_DIFFERENCE_MS = 2_000
OLD_TZDATA_YEARS = 2

_TIME_ERROR = 5  # adjtimex(2): the clock isn't synchronised
_TIMEX_BYTES = 512  # more than struct timex has anywhere


def run_doctor(domains: Sequence[str], as_json: bool) -> int:
    """Print every finding; 1 when there is a problem, else 0."""
    found = []
    for finding in _findings(domains):
        found.append(finding)
        if not as_json:
            print("\n".join(_lines(finding)), flush=True)
    if as_json:
        print(json.dumps([finding._asdict() for finding in found]))
    return 1 if any(finding.state == "problem" for finding in found) else 0


def _lines(finding: Finding) -> Iterator[str]:
    # What DNS and mail servers say is others' text: nothing of it may be obeyed by a terminal.
    fact, advice = ("".join(c if c.isprintable() else " " for c in text) for text in (finding.fact, finding.advice))
    yield f"{finding.state.upper() if finding.state == 'problem' else finding.state:8} {finding.subject:12} {fact}"
    if advice:
        yield f"{'':21} → {advice}"


def _findings(domains: Sequence[str]) -> Iterator[Finding]:
    relays = parse_relays(settings.SENDMILL_SMTP_URL)
    database = _database()
    yield database
    yield _data_folder()
    yield _secret_key()
    yield _public_url()
    yield from _clock(has_database=database.state == "ok")
    yield _time_zones()
    yield from examine_relays(relays)
    if database.state == "ok":
        yield _suppressions()
        yield from examine_domains(relays, domains)


def _database() -> Finding:
    try:
        connection.ensure_connection()
        pending = schema.pending_migrations()
        schema.require_not_restoring()
    except DatabaseError as error:
        reason = str(error).strip().splitlines()[0]
        return Finding("database", "problem", reason, _advice_about_database())
    except SendmillError as error:  # a restore that broke off
        return Finding("database", "problem", str(error))
    if connection.vendor == "sqlite":
        version = f"SQLite {sqlite3.sqlite_version}, {settings.DATABASES['default']['NAME']}"
    else:
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_version")
            version = f"PostgreSQL {cursor.fetchone()[0]}"
    if pending:
        return Finding("database", "problem", f"{version}: {len(pending)} migrations behind", "Run 'sendmill migrate'.")
    return Finding("database", "ok", f"{version}, schema up to date")


def _advice_about_database() -> str:
    if connection.vendor == "postgresql":
        return "Check SENDMILL_DATABASE_URL, and that the server runs."
    return (
        f"Check who may read and write {settings.DATABASES['default']['NAME']}. If it is damaged, 'sendmill restore' "
        "with --replace puts a backup in its place."
    )


def _data_folder() -> Finding:
    folder = settings.SENDMILL_DATA
    if not os.access(folder, os.W_OK):
        return Finding(
            "data folder", "problem", f"{folder} can't be written", "Give this user the right to write there."
        )
    free = shutil.disk_usage(folder).free
    fact = f"{folder}, {free / (1 << 30):.1f} GiB free"
    if free >= LOW_SPACE_BYTES:
        return Finding("data folder", "ok", fact)
    # Deleting needs room too, and gives none back to the system.
    advice = "Make room there: on a full disk nothing is sent. 'sendmill prune' only keeps the database from growing."
    return Finding("data folder", "problem", fact, advice)


def _secret_key() -> Finding:
    path = settings.SENDMILL_DATA / SECRET_KEY
    if not path.exists() or path.read_text().strip() != settings.SECRET_KEY:
        return Finding("secret key", "ok", "from SENDMILL_SECRET_KEY")
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Finding("secret key", "problem", f"{path} can be read by others", f"Run 'chmod 600 {path}'.")
    return Finding("secret key", "ok", str(path))


def _suppressions() -> Finding:
    lost = lost_suppressions()
    if lost:
        fact = f"{lost} erased people can't be told any more, and would be mailed if an import brought them back"
        advice = "Add the secret they were erased under to SENDMILL_SECRET_KEY_FALLBACKS."
        return Finding("erasures", "problem", fact, advice)
    return Finding("erasures", "ok", "whoever was erased is known by the secret keys")


def _public_url() -> Finding:
    url = settings.SENDMILL_PUBLIC_URL
    if url.startswith("https://"):
        return Finding("public URL", "ok", url)
    return Finding(
        "public URL", "notice", f"{url}: links to unsubscribe begin with it",
        "Set SENDMILL_PUBLIC_URL to the https address that recipients reach: mail programs opt out by no other.",
    )  # fmt: skip


def _clock(has_database: bool) -> Iterator[Finding]:
    """Whether this machine's clock is kept by NTP, and goes with the database's."""
    is_kept = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)) != _TIME_ERROR
    if not is_kept:
        yield Finding(
            "clock", "notice", "not kept by NTP, as the kernel says",
            "Run chrony or systemd-timesyncd: campaigns start by this clock.",
        )  # fmt: skip
    if has_database and connection.vendor == "postgresql":
        before = now_ms()
        difference = database_ms() - (before + now_ms()) // 2
        if abs(difference) > CLOCK_DIFFERENCE_MS:
            yield Finding(
                "clock", "problem", f"{abs(difference) / 1000:.1f} s {'behind' if difference > 0 else 'ahead of'} the "
                "database's", "Set the clocks by NTP: of several nodes the one ahead starts campaigns.",
            )  # fmt: skip
            return
    if is_kept:
        yield Finding("clock", "ok", "kept by NTP")


def _time_zones() -> Finding:
    path, release = timezone_source()
    fact = f"tzdata {release} from {path}"
    if timezone.now().year - int(release[:4]) >= OLD_TZDATA_YEARS:
        return Finding("time zones", "notice", fact, "Install a newer tzdata: governments move clocks every year.")
    return Finding("time zones", "ok", fact)
