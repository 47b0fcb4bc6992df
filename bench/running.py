"""What benchmarks run: Sendmill as users run it, and Postfix's smtp-sink. Standard library only."""

import http.client
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def serving(port: int, command: list[str]) -> Iterator[int]:
    """A program that listens on this port, until the end of the block."""
    process = subprocess.Popen(command)
    try:
        wait_for_port(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def smtp_sink(*options: str) -> AbstractContextManager[int]:
    """Debian's smtp-sink on a free port, until the end of the block."""
    if shutil.which("smtp-sink") is None:
        sys.exit("smtp-sink is not installed: scripts/install-test-packages.sh installs Debian's postfix")
    port = free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    return serving(port, ["smtp-sink", *user, *options, f"127.0.0.1:{port}", "1024"])


def asyncio_sink(*options: str) -> AbstractContextManager[int]:
    """`bench.asyncio_sink` with these options on a free port, until the end of the block."""
    port = free_port()
    return serving(port, [sys.executable, "-m", "bench.asyncio_sink", str(port), *options])


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key, made by openssl."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key


def wait_for_port(port: int, seconds: float = 30) -> None:
    """Return once something listens on the port. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port} after {seconds} s")


class RunningServer:
    """`sendmill run` on a free port with a data folder of its own."""

    def __init__(self, folder: Path, port: int, smtp_url: str, settings: Mapping[str, str] | None = None) -> None:
        self._port = port
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SENDMILL_")},
            "SENDMILL_DATA": str(folder / "data"),
            "SENDMILL_BIND": f"127.0.0.1:{port}",
            "SENDMILL_SMTP_URL": smtp_url,
            "SENDMILL_LOG_LEVEL": "warning",
            **(settings or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "RunningServer":
        command = [sys.executable, "-m", "sendmill.cli", "run"]
        self._process = subprocess.Popen(command, env=self._environment, stdout=subprocess.DEVNULL)
        wait_for_port(self._port)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(90)

    def client(self) -> "Api":
        """The API with the token of a new client."""
        # A user of its own each time: rounds on PostgreSQL share a database.
        made = self.command("client", "add", "Bench", "--email", f"{secrets.token_hex(6)}@bench.example", "--json")
        return Api(self._port, json.loads(made)["token"])

    def command(self, *arguments: str) -> bytes:
        """What `sendmill ARGUMENTS` prints."""
        command = [sys.executable, "-m", "sendmill.cli", *arguments]
        return subprocess.run(command, env=self._environment, check=True, capture_output=True).stdout

    def process_ids(self) -> list[int]:
        """`sendmill run` and everything below it."""
        assert self._process is not None
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except OSError:
                    continue
                children.setdefault(parent, []).append(int(entry.name))
        found, pending = [], [self._process.pid]
        while pending:
            pid = pending.pop()
            found.append(pid)
            pending += children.get(pid, [])
        return found

    def cpu_seconds(self) -> dict[str, float]:
        """User and system time so far, by role: web, scheduler, worker, run."""
        found: dict[str, float] = {}
        for pid in self.process_ids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            role = self._role(pid)
            found[role] = found.get(role, 0.0) + (int(fields[11]) + int(fields[12])) / CLOCK_TICKS
        return found

    def peak_memory(self) -> int:
        """The largest peak of resident memory of one process, in bytes."""
        return max(self.peaks().values())

    @staticmethod
    def _role(pid: int) -> str:
        name = Path(f"/proc/{pid}/comm").read_text().strip().partition("-")[0]
        return name if name in ("web", "scheduler", "worker") else "run"

    def forget_peaks(self) -> None:
        """Count peaks of memory from now on (proc(5), clear_refs)."""
        for pid in self.process_ids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peaks(self) -> dict[str, int]:
        """Peak resident memory in bytes by process: its role and number."""
        found = {}
        for pid in self.process_ids():
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    found[f"{self._role(pid)} {pid}"] = int(line.split()[1]) * 1024
        return found


class Api:
    """The few calls that benchmarks make."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._authorization = {"Authorization": f"Token {token}"}

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """The parsed answer of a request that must succeed."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=600)
        try:
            connection.request(method, path, body, {**self._authorization, "Content-Type": content_type})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {answer[:500]!r}")
        return json.loads(answer) if answer else None

    def open(self, path: str) -> http.client.HTTPResponse:
        """The answer to a GET, to be read bit by bit."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=600)
        connection.request("GET", path, headers=self._authorization)
        response = connection.getresponse()
        if response.status >= 300:
            raise RuntimeError(f"GET {path}: {response.status}")
        return response

    def get_json(self, path: str) -> Any:
        return self.request("GET", path)

    def post_json(self, path: str, body: Any) -> Any:
        return self.request("POST", path, json.dumps(body))

    def post_campaign(self, attributes: Any, contacts: bytes) -> Any:
        return self.post_multipart("/email/campaign/", {"attributes": json.dumps(attributes)}, contacts)

    def post_multipart(self, path: str, fields: Mapping[str, str], contacts: bytes | None) -> Any:
        """POST form fields and, unless None, `csv_file`."""
        boundary = "bench-boundary"
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields.items()
        ]
        if contacts is not None:
            head = (
                f'--{boundary}\r\nContent-Disposition: form-data; name="csv_file"; filename="contacts.csv"\r\n'
                "Content-Type: text/csv\r\n\r\n"
            )
            parts += [head.encode(), contacts, b"\r\n"]
        body = b"".join([*parts, f"--{boundary}--\r\n".encode()])
        return self.request("POST", path, body, f"multipart/form-data; boundary={boundary}")
