"""A PostgreSQL cluster of a test's own, which it may restart as it likes."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from scripts import with_postgresql


class Cluster:
    """A running cluster in a temporary folder, until `stop()`. It keeps its port over restarts, and takes connections
    from every machine in the network of `address`."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="sendmill-faults-"))
        with_postgresql.initialise(self._folder)
        with (self._folder / "data" / "pg_hba.conf").open("a") as file:
            file.write("host all all samenet trust\n")
        self._first, port = with_postgresql.start(self._folder, address)
        self.url = f"postgresql://sendmill@{address}:{port}/postgres"

    def restart_immediately(self) -> None:
        """`pg_ctl restart -m immediate`: every connection is cut, and the server recovers as after a crash."""
        self._pg_ctl("restart", "-m", "immediate", "-w", "-l", str(self._folder / "data" / "restarted.log"))
        self._first.poll()

    def stop(self) -> None:
        self._pg_ctl("stop", "-m", "immediate", "-w")
        self._first.wait()
        shutil.rmtree(self._folder)

    def _pg_ctl(self, *arguments: str) -> None:
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"] if os.geteuid() == 0 else []
        subprocess.run(
            [*user, str(with_postgresql.binaries() / "pg_ctl"), "-D", str(self._folder / "data"), *arguments],
            cwd=self._folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=60,
        )  # fmt: skip
