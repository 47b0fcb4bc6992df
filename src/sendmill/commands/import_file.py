"""`sendmill import`: a CSV file into a contact group, carried out by this process, with a progress bar."""

import sys
import time
from pathlib import Path

from sendmill.accounts.clients import find_client
from sendmill.accounts.models import Kind
from sendmill.commands.audit import record
from sendmill.commands.preconditions import require_current_schema
from sendmill.commands.reporting import one_line
from sendmill.contacts.column_choice import choose_columns
from sendmill.contacts.import_jobs import import_now
from sendmill.contacts.import_log import rejected_pages
from sendmill.contacts.models import ACTIONS, Import, ImportKind
from sendmill.contacts.watched_file import WatchedFile
from sendmill.errors import InvalidField, SendmillError

BAR_CHARACTERS = 40
BAR_SECONDS = 0.1
SHOWN_REJECTED = 10
_DONE = {ImportKind.REPLACE: "replaced by", ImportKind.UPDATE: "added or changed", ImportKind.DELETE: "deleted"}


def import_file(
    file_name: str,
    client_id: str,
    tag: str,
    action: str,
    *,
    email_column: str | None,
    name_column: str | None,
    dry_run: bool,
) -> int:
    """Carry the import out and print what became of it."""
    require_current_schema()
    if not tag.strip():
        raise InvalidField("group", "may not be blank.")
    path = Path(file_name)
    client = find_client(client_id)
    try:
        with path.open("rb") as file:
            columns = choose_columns(file, email_column=email_column, name_column=name_column)
            watched = WatchedFile(file, _Bar(path.stat().st_size).show)
            done = import_now(client, ImportKind(action), tag, watched, columns, dry_run=dry_run)
    except OSError as error:
        raise SendmillError(f"{path} can't be read: {error.strerror}.") from None
    if not dry_run:
        record(client, Kind.CONTACTS, ACTIONS[ImportKind(action)], tag)
    _report(done)
    return 0


class _Bar:
    """A bar on a terminal, nothing elsewhere."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._shown = 0.0

    def show(self, position: int) -> None:
        """`position` bytes of the file have been read. The reader runs through it once before, to find its encoding."""
        now = time.monotonic()
        if not sys.stderr.isatty() or now - self._shown < BAR_SECONDS:
            return
        self._shown = now
        done = position / self._size if self._size else 1.0
        filled = "█" * int(done * BAR_CHARACTERS)
        print(f"\r{filled:░<{BAR_CHARACTERS}} {done:4.0%}", end="", file=sys.stderr, flush=True)


def _report(done: Import) -> None:
    if sys.stderr.isatty():
        print(f"\r{'█' * BAR_CHARACTERS} 100%", file=sys.stderr)
    print(f"{'would be ' if done.dry_run else ''}{_DONE[ImportKind(done.kind)]}: ", end="")
    count, again = done.accepted_rows - done.duplicate_rows, done.duplicate_rows
    print(f"{count:,} contacts" if count != 1 else "1 contact", end="")
    print(f" (rows with an address for the second time: {again:,})" if again else "")
    for row in next(rejected_pages(done), [])[:SHOWN_REJECTED]:
        print(f"  line {row.line}: {row.reason} {one_line(row.value)}")
    if done.rejected_rows:
        print(f"rejected rows: {done.rejected_rows:,}; all of them: GET /email/import/?_id={done.object_id}")
