"""Runs a command beside a PostgreSQL server of its own, and removes the server when the command ends.

    scripts/with_postgresql.py -- pytest tests/database

The command finds the server in SENDMILL_DATABASE_URL. Its data lie in a temporary folder, it listens on 127.0.0.1
only, and it forgoes durability (fsync=off), which tests of this product don't measure. PostgreSQL refuses to run as
root: then it runs as the user `postgres`, whom Debian's package makes.

Exit status: the command's, or 69 (EX_UNAVAILABLE) if PostgreSQL is not installed or does not start.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EX_UNAVAILABLE = 69
OLDEST_VERSION = 15
SECONDS_TO_START = 30.0
ATTEMPTS = 3


class Unavailable(Exception):
    """PostgreSQL can't be had here; the text says why."""


def binaries() -> Path:
    """The folder of PostgreSQL's programs, as Debian lays them out: of several versions the oldest we promise."""
    found = {int(path.parent.parent.name): path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")}
    versions = [version for version in found if version >= OLDEST_VERSION]
    if not versions:
        raise Unavailable(f"PostgreSQL {OLDEST_VERSION} or later is not installed (Debian package: postgresql)")
    return found[min(versions)]


def prefix() -> list[str]:
    """What comes before a PostgreSQL command: never as root, and never outliving this process.

    QUIT is PostgreSQL's immediate shutdown; the kernel sends it should this process be killed with -9.
    """
    user = ["--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *user, "--pdeathsig", "QUIT", "--"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_ready(data: Path) -> bool:
    """The eighth line of postmaster.pid is the state, as pg_ctl reads it."""
    try:
        return (data / "postmaster.pid").read_text().splitlines()[7].strip() == "ready"
    except (FileNotFoundError, IndexError):
        return False


def initialise(folder: Path) -> None:
    """Makes the cluster `folder`/data; its superuser is `sendmill`, who needs no password."""
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    result = subprocess.run(
        [*prefix(), str(binaries() / "initdb"), "--pgdata", str(folder / "data"), "--username=sendmill",
         "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    if result.returncode:
        raise Unavailable(f"initdb failed:\n{result.stdout}")


def start(folder: Path, address: str = "127.0.0.1", **changed: str) -> tuple[subprocess.Popen[bytes], int]:
    """The running server and its port. Tries again on another port if someone else has just taken the first.

    `changed` are PostgreSQL's settings where they are to be others than the tests'.
    """
    options = {
        "listen_addresses": address,
        "unix_socket_directories": "",
        "fsync": "off",
        "synchronous_commit": "off",  # the product must ask for it itself
        "full_page_writes": "off",
        "max_connections": "300",
        "shared_buffers": "128MB",
        "max_wal_size": "1GB",
        **changed,
    }
    settings = [f"--{name}={value}" for name, value in options.items()]
    log = folder / "log"
    for _ in range(ATTEMPTS):
        port = free_port()
        with log.open("ab") as output:
            # A session of its own: Ctrl-C at the terminal is for the tests, which still need the database to end.
            server = subprocess.Popen(
                [*prefix(), str(binaries() / "postgres"), "-D", str(folder / "data"), "-p", str(port), *settings],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + SECONDS_TO_START
        while server.poll() is None and time.monotonic() < deadline:
            if is_ready(folder / "data"):
                return server, port
            time.sleep(0.02)
        stop(server)
    raise Unavailable(f"the server did not start:\n{log.read_text(errors='replace')[-2000:]}")


def stop(server: subprocess.Popen[bytes]) -> None:
    """Fast shutdown (SIGINT): open transactions are rolled back and their connections closed."""
    if server.poll() is not None:
        return
    server.send_signal(signal.SIGINT)
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGQUIT)
        server.wait()


def run(command: list[str], port: int) -> int:
    """Runs the command to its end and returns its exit status; an interrupt is the command's to handle."""
    environment = {**os.environ, "SENDMILL_DATABASE_URL": f"postgresql://sendmill@127.0.0.1:{port}/postgres"}
    # Ctrl-C reaches the command from the terminal; SIGTERM comes to this process only and is passed on.
    signal.signal(signal.SIGINT, lambda *_: None)
    child = subprocess.Popen(command, env=environment)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    status = child.wait()
    return status if status >= 0 else 128 - status


def main() -> int:
    if len(sys.argv) < 3 or sys.argv[1] != "--":
        print("usage: scripts/with_postgresql.py -- COMMAND [ARGUMENT …]", file=sys.stderr)
        return 64
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    folder = Path(tempfile.mkdtemp(prefix="sendmill-postgresql-"))
    server = None
    try:
        initialise(folder)
        server, port = start(folder)
        return run(sys.argv[2:], port)
    except Unavailable as reason:
        print(f"with_postgresql: {reason}", file=sys.stderr)
        return EX_UNAVAILABLE
    finally:
        if server is not None:
            stop(server)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
