"""The demo's own server: `sendmill run` as a child process, in a data folder of its own.

It is always SQLite and the outbox, whatever the environment says: a demo must not write into a real database, nor
send 300 messages to a real mail server. Of the environment's settings only SENDMILL_DATA (the demo's folder is made in
it) and SENDMILL_BIND (a free port is taken when that one is in use) count.
"""

import ctypes
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from sendmill.demo.failure import DemoFailed

_SECONDS_TO_START = 60.0
_SECONDS_TO_STOP = 60.0
_POLL_SECONDS = 0.05
_LOG_LINES_SHOWN = 15
_LOG_CHARACTERS_SHOWN = 400
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class DemoServer:
    """`sendmill run` in `folder`, from `start` to `stop`."""

    def __init__(self, folder: Path, bind: tuple[str, int]) -> None:
        self.folder = folder
        self.log_path = folder / "server.log"
        self.host, self.port = bind[0], _usable_port(*bind)
        self.url = f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"
        own = {name: value for name, value in os.environ.items() if not name.startswith("SENDMILL_")}
        bind_setting = self.url.removeprefix("http://")
        self._environment = {**own, "SENDMILL_DATA": str(folder), "SENDMILL_BIND": bind_setting}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it says that it is ready. Raises DemoFailed."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                _command("run"),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for the demo, which then ends the server; and the server ends with the demo, however that
                # ends (prctl(2)).
                start_new_session=True,
                preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM),
            )
        deadline = time.monotonic() + _SECONDS_TO_START
        while not self._is_ready():
            self.check()
            if time.monotonic() > deadline:
                raise DemoFailed(f"the server was not ready within {_SECONDS_TO_START:g} seconds")
            time.sleep(_POLL_SECONDS)

    def check(self) -> None:
        """Raises DemoFailed if the server has ended."""
        assert self._process is not None
        status = self._process.poll()
        if status is not None:
            raise DemoFailed(f"the server ended by itself, with exit code {status}")

    def wait(self) -> None:
        """Wait until the server ends by itself, which it shouldn't. Raises DemoFailed then."""
        assert self._process is not None
        self._process.wait()
        self.check()

    def stop(self) -> None:
        """End it and wait for that; nothing if it isn't running."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            # Its children end with it.
            self._process.kill()
            self._process.wait()

    def command(self, *arguments: str) -> str:
        """What `sendmill …` prints in the demo's folder. Raises DemoFailed with the first line of its error."""
        result = subprocess.run(
            _command(*arguments),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            lines = result.stderr.strip().splitlines() or ["no error was printed"]
            raise DemoFailed(f"sendmill {arguments[0]}: exit code {result.returncode}: {lines[-1]}")
        return result.stdout

    def log_tail(self) -> str:
        """The last lines that the server has printed, long ones cut."""
        try:
            lines = self.log_path.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(line[:_LOG_CHARACTERS_SHOWN] for line in lines[-_LOG_LINES_SHOWN:])

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "sendmill.cli", *arguments]


def _usable_port(host: str, port: int) -> int:
    """`port` if it can be listened on, else one that the system chooses. Raises DemoFailed if the host can't be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in (port, 0):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As the server does it: connections of the last server that are still closing are no hindrance.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
                probe.listen()
            except OSError as error:
                reason = error.strerror or str(error)
                continue
            chosen: int = probe.getsockname()[1]
            return chosen
    raise DemoFailed(f"can't listen on {host}: {reason}")
