"""Copies of the SQLite database, made while the server runs, and put in its place."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from sendmill.backups.manifest import BackupError

_PAGES_A_STEP = 2_000


def copy(database: Path, to: Path, progress: Callable[[float], None]) -> None:
    """Copy the database as it is at one moment. `progress` hears how much of it is done, from 0 to 1.

    The source's read transaction holds that moment: without it SQLite begins anew whenever another process has
    written, and never ends while mail is sent. Nobody waits for it: the -wal file takes what is written.
    """
    if not database.exists():
        raise BackupError(f"There is no database at {database}.")
    to.touch(mode=0o600)
    source, target = sqlite3.connect(database, isolation_level=None), sqlite3.connect(to, isolation_level=None)
    try:
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        source.backup(
            target,
            pages=_PAGES_A_STEP,
            sleep=0,
            progress=lambda _status, remaining, total: progress(1 - remaining / max(total, 1)),
        )
        target.execute("PRAGMA journal_mode=DELETE")  # one file, without a -wal beside it
        require_sound(target, to)
    except sqlite3.Error as error:
        raise BackupError(f"{database} can't be copied to {to}: {error}.") from None
    finally:
        target.close()
        source.close()


def require_sound(database: sqlite3.Connection, path: Path) -> None:
    """Raises BackupError if the database's own check finds it damaged."""
    try:
        found = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise BackupError(f"{path} is damaged: {found}.")


def require_unused(database: Path) -> None:
    """Raises BackupError while another process has the database open.

    In exclusive mode SQLite asks for the lock that every other connection to a WAL database shares as long as it is
    open.
    """
    connection = sqlite3.connect(database, isolation_level=None, timeout=1)
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        raise BackupError(f"The database is in use ({error}): stop the server first.") from None
    except sqlite3.DatabaseError:
        pass  # so damaged that nobody can use it
    finally:
        connection.close()


def is_empty(database: Path) -> bool:
    """Whether there is no table in it, or no database at all."""
    if not database.exists():
        return True
    connection = sqlite3.connect(database)
    try:
        return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0)
    except sqlite3.DatabaseError:
        return False  # damaged, and somebody's all the same
    finally:
        connection.close()


def set_aside(database: Path, stamp: str) -> Path:
    """Give the database another name; that name. What its -wal file holds goes with it."""
    aside = database.with_name(f"{database.name}.replaced-{stamp}")
    for ending in ("-wal", "-shm", ""):
        part = database.with_name(database.name + ending)
        if part.exists():
            part.rename(aside.with_name(aside.name + ending))
    return aside


def prepare(copied: Path, database: Path, marker: str) -> Path:
    """Copy a backup's file beside the database, with `marker` run in it; the copy. What is there is not touched yet."""
    draft = database.with_name(f"{database.name}.restoring")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    source, target = (
        sqlite3.connect(f"{copied.absolute().as_uri()}?mode=ro&immutable=1", uri=True),
        sqlite3.connect(draft),
    )
    try:
        require_sound(source, copied)
        source.backup(target)
        target.execute(marker)
        target.commit()
    except sqlite3.Error as error:
        draft.unlink()
        raise BackupError(f"{copied} can't be copied to {draft}: {error}.") from None
    finally:
        target.close()
        source.close()
    return draft


def put_in_place(draft: Path, database: Path) -> None:
    """Give what `prepare` made the database's name."""
    for ending in ("-wal", "-shm"):
        database.with_name(database.name + ending).unlink(missing_ok=True)
    draft.rename(database)
