"""How Django reaches the database: its entry in the settings, made of SENDMILL_DATABASE_URL."""

import math
import urllib.parse
from pathlib import Path
from typing import Any

from sendmill.errors import SettingError

# Granian's threads come and go, and what Django keeps for a thread does not end with it: each burst of 60 requests left
# 50 connections open for ever, on either database. On PostgreSQL the web process has a pool instead (`share_in_pool`).
_END_WITH_THE_REQUEST = 0


# When a connection to PostgreSQL is given up whose other end is silent. Without these the system waits a quarter of an
# hour for an answer, so a machine that was cut off for a minute would still do nothing long after.
_GIVEN_UP = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    "tcp_user_timeout": "15000",
}


def database_entry(url: str, data_folder: Path, lease_seconds: float) -> dict[str, Any]:
    """Django's entry for this SENDMILL_DATABASE_URL. Raises SettingError."""
    if not url:
        return {
            "ENGINE": "sendmill.sqlite",
            "NAME": str(data_folder / "sendmill.sqlite3"),
            "CONN_MAX_AGE": _END_WITH_THE_REQUEST,
            "OPTIONS": {
                # IMMEDIATE: a transaction that means to write waits for its turn at the start, where the time limit
                # holds, and never fails in its middle (SQLITE_BUSY_SNAPSHOT).
                "transaction_mode": "IMMEDIATE",
                "timeout": 30,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
                "PRAGMA cache_size=-16000; PRAGMA temp_store=MEMORY;",
            },
            # Several processes share the file in tests too.
            "TEST": {"NAME": str(data_folder / "test.sqlite3")},
        }
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        raise SettingError("SENDMILL_DATABASE_URL", "the port is not a number from 0 to 65535.") from None
    name = urllib.parse.unquote(parts.path.lstrip("/"))
    if parts.scheme not in ("postgresql", "postgres") or not name:
        raise SettingError("SENDMILL_DATABASE_URL", "must be postgresql://user:password@host:port/name.")
    options = {**_GIVEN_UP, **dict(urllib.parse.parse_qsl(parts.query))}
    ours = (
        # Who hangs in a transaction, or whose machine is gone, holds its locks no longer than its lease: nobody could
        # take its chunks over before TCP gives the connection up, hours later. Delivery processes ask for less
        # (`delivery.database_thread`).
        f"-c idle_in_transaction_session_timeout={math.ceil(1000 * lease_seconds)} "
        # Where the server's default is off, a crash of it forgets that messages were marked, and they are sent again.
        "-c synchronous_commit=on"
    )
    options["options"] = f"{ours} {options.get('options', '')}".rstrip()
    host = urllib.parse.unquote(options.pop("host", "") or parts.hostname or "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": urllib.parse.unquote(parts.username or ""),
        "PASSWORD": urllib.parse.unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(port or ""),
        "CONN_MAX_AGE": _END_WITH_THE_REQUEST,
        "OPTIONS": options,
    }


def share_in_pool(entry: dict[str, Any], threads: int) -> None:
    """Have the threads of this process, which must not fork any more, share connections to PostgreSQL.

    To connect takes 6 ms of a request's 14, and PostgreSQL a process. What has been idle for a minute is closed, and
    each is asked whether it lives before it is lent. Who gets none within 5 s is told that the database is down.
    """
    if entry["ENGINE"].endswith("postgresql"):
        entry["CONN_HEALTH_CHECKS"] = True
        entry["OPTIONS"].setdefault("application_name", "sendmill web")
        entry["OPTIONS"]["pool"] = {
            "min_size": 0, "max_size": threads, "max_idle": 60.0, "timeout": 5.0, "reconnect_timeout": 5.0
        }  # fmt: skip
