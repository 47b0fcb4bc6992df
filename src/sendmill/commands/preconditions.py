"""What has to hold before a command begins: the port, the data folder, the schema."""

import errno
import fcntl
import socket
import time
from functools import cache
from typing import IO

from django.conf import settings

from sendmill import schema
from sendmill.errors import SendmillError, SettingError

# How long a server that is ending may hold its port.
PORT_SECONDS = 5.0


def require_free_port() -> None:
    """Raises SettingError when SENDMILL_BIND can't be listened on.

    Granian's sockets share a port (SO_REUSEPORT): a second server would take half of the first one's requests, without
    a word. One that is just ending is waited for.
    """
    host, port = settings.SENDMILL_BIND
    deadline = time.monotonic() + PORT_SECONDS
    while True:
        try:
            with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
                return
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                reason = f"{host}:{port} can't be listened on: {error.strerror or error}."
                raise SettingError("SENDMILL_BIND", reason) from None
        time.sleep(0.1)


def use_data_folder() -> None:
    """Say that a server uses the data folder, until this process ends. Raises SendmillError during a restore."""
    lock = folder_lock()
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SendmillError("The data folder is being restored from a backup: wait until that is over.") from None


def keep_servers_out() -> None:
    """Keep servers of this data folder from starting until this process ends. Raises SendmillError if one runs."""
    lock = folder_lock()
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SendmillError(f"A server uses {settings.SENDMILL_DATA}: stop it first.") from None


@cache
def folder_lock() -> IO[bytes]:
    """The file whose lock tells whether a server uses the data folder; open as long as this process lives."""
    return (settings.SENDMILL_DATA / "in-use.lock").open("ab")


def require_current_schema() -> None:
    """Raises SendmillError when the database's migrations are behind, or a restore of it hasn't ended."""
    schema.require_not_restoring()
    pending = schema.pending_migrations()
    if pending:
        raise SendmillError(
            f"The database is {len(pending)} migrations behind (next: {pending[0]}). Run 'sendmill migrate' first."
        )
