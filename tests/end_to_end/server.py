"""The real `sendmill run` as a child process, with a data folder, a port and a database of its own."""

import json
import os
import random
import signal
import subprocess
from pathlib import Path
from types import TracebackType

import requests

from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.databases import (
    READY_CLIENT,
    SENDMILL,
    add_empty_postgresql,
    add_postgresql,
    add_sqlite,
    drop_postgresql,
)
from tests.end_to_end.ports import free_port
from tests.end_to_end.processes import Process, kill_session, processes_of_session
from tests.end_to_end.waiting import wait_for

# On a quiet machine two or three; a busy one makes it many times that, which is no fault of the server.
_SECONDS_TO_START = 120.0
_SECONDS_TO_STOP = 30.0

#: Short enough for a test to see a retry and a lost lease.
_QUICK = {"SENDMILL_RETRY_SECONDS": "1,1,2", "SENDMILL_LEASE_SECONDS": "3", "SENDMILL_WORKERS": "2"}


class Server:
    """`sendmill run`, from `start()` to `stop()` or a kill, and again.

    `folder` keeps its data and log. Settings are those of a user, by environment: `SENDMILL_SMTP_URL` and what else a
    test gives, over short retries and leases. SQLite, or a new database where SENDMILL_DATABASE_URL points; `beside`
    is another node whose database it shares. Unless `is_migrated`, the database has no tables yet.
    """

    def __init__(
        self,
        folder: Path,
        smtp_url: str = "outbox:",
        *,
        beside: "Server | None" = None,
        is_migrated: bool = True,
        **settings: str,
    ) -> None:
        self.data = folder / "data"
        self.log_path = folder / "server.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SENDMILL_", "DJANGO_"))},
            **_QUICK,
            **settings,
            "SENDMILL_DATA": str(self.data),
            "SENDMILL_BIND": f"127.0.0.1:{self.port}",
            "SENDMILL_SMTP_URL": smtp_url,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._database = ""
        cluster = settings.get("SENDMILL_DATABASE_URL") or os.environ.get("SENDMILL_DATABASE_URL", "")
        self._ready_client: dict[str, str] | None = None
        if beside is not None:
            self.environment["SENDMILL_DATABASE_URL"] = beside.environment["SENDMILL_DATABASE_URL"]
        elif not is_migrated:
            self._database = add_empty_postgresql(cluster) if cluster else ""
        elif cluster:
            self._database, self._ready_client = add_postgresql(cluster)
        else:
            self._ready_client = add_sqlite(self.data)
        if self._database:
            self.environment["SENDMILL_DATABASE_URL"] = self._database

    # Life ------------------------------------------------------------------------------------------------------------

    def start(self) -> "Server":
        """Starts it and waits until it says it is ready."""
        assert self._process is None, "the server is running"
        with self.log_path.open("ab") as log:
            # A session of its own, to know its processes by; and an end with ours, should this one be killed.
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", SENDMILL, "run"],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_for(self.is_ready, _SECONDS_TO_START, lambda: f"a ready server. Its log:\n{self.log()}")
        return self

    def stop(self) -> None:
        """SIGTERM, as an administrator would, and waits for the end. Raises AssertionError unless it ends cleanly."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self.kill_everything()
            raise AssertionError(
                f"still running {_SECONDS_TO_STOP:g} s after SIGTERM. Its log:\n{self.log()}"
            ) from None
        self._process = None
        left = processes_of_session(process.pid)
        kill_session(process.pid)
        assert not left, f"left behind after SIGTERM: {left}"
        assert status == 0, f"exit status {status} after SIGTERM. Its log:\n{self.log()}"

    def wait_for_end(self) -> int:
        """Waits until it has ended by itself; its exit status."""
        status = self._running().wait(_SECONDS_TO_STOP)
        self._process = None
        return status

    def kill_everything(self) -> None:
        """SIGKILL to every process of the server, as a power cut would."""
        process = self._running()
        kill_session(process.pid)
        process.wait()
        self._process = None

    def kill_one_worker(self) -> int:
        """SIGKILL to one delivery process, whichever; its pid."""
        pid = random.choice(wait_for(self.workers, what=lambda: f"a worker among {self.processes()}")).pid
        os.kill(pid, signal.SIGKILL)
        return pid

    def restart(self) -> None:
        self.stop()
        self.start()

    def __enter__(self) -> "Server":
        try:
            return self.start()
        except BaseException:
            self.discard()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()

    def discard(self) -> None:
        """Ends whatever still runs, and drops its database."""
        if self._process is not None:
            self.kill_everything()
        if self._database:
            drop_postgresql(self._database)
            self._database = ""

    # What a test asks ------------------------------------------------------------------------------------------------

    def create_client(self, name: str) -> ApiClient:
        """A tenant that nobody has used, and its access to the API.

        The first is there already (`databases`), another is made on the command line while the server runs.
        """
        if self._ready_client is not None and name == READY_CLIENT:
            ready, self._ready_client = self._ready_client, None
            return ApiClient(self.url, ready["token"], ready["client_id"])
        made = json.loads(self.command("client", "add", name, "--email", f"{name}@client.test", "--json"))
        return ApiClient(self.url, made["token"], made["client_id"])

    def command(self, *arguments: str) -> str:
        """What `sendmill …` prints. Raises AssertionError if it fails."""
        result = subprocess.run(
            [SENDMILL, *arguments], env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert result.returncode == 0, f"sendmill {' '.join(arguments)}: {result.returncode}\n{result.stderr}"
        return result.stdout

    def processes(self) -> list[Process]:
        return processes_of_session(self._running().pid)

    def workers(self) -> list[Process]:
        """Its delivery processes."""
        return [process for process in self.processes() if process.name.startswith("worker-")]

    def log(self) -> str:
        """The end of what it has printed since the test began."""
        return self.whole_log()[-20_000:]

    def whole_log(self) -> str:
        """Everything it has printed since the test began."""
        try:
            return self.log_path.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the server is not running"
        return self._process

    def is_ready(self) -> bool:
        """Whether it says that it is ready. Raises AssertionError if it has ended."""
        status = self._running().poll()
        assert status is None, f"the server ended with status {status}. Its log:\n{self.log()}"
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except requests.RequestException:
            return False
