"""Several hosts on this machine: a network namespace each, joined by a bridge whose own address is the test's.

Only root may make them. Nothing of it reaches another network: the hosts have no route but to each other.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from sendmill.delivery.owner import node_id
from tests.components import needs
from tests.end_to_end.databases import SENDMILL
from tests.end_to_end.processes import kill_session

WEB_PORT = 8080


class Host:
    """A host with one command of Sendmill running on it."""

    def __init__(self, network: "Network", number: int, folder: Path, **settings: str) -> None:
        self.name = f"{network.name}-{number}"
        self.address = f"{network.prefix}.{10 + number}"
        self._network = network
        self._port = f"{network.name}p{number}"
        self._log = folder / f"host-{number}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SENDMILL_", "DJANGO_"))},
            **settings,
            "SENDMILL_DATA": str(folder / f"data-{number}"),
            "SENDMILL_BIND": f"{self.address}:{WEB_PORT}",
        }
        ip("netns", "add", self.name)
        ip("link", "add", self._port, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        ip("link", "set", self._port, "up", "master", network.name)
        for command in (("addr", "add", f"{self.address}/24", "dev", "eth0"), ("link", "set", "eth0", "up"),
                        ("link", "set", "lo", "up")):  # fmt: skip
            ip("-n", self.name, *command)

    def start(self, *arguments: str) -> "Host":
        """`sendmill …` on this host."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["ip", "netns", "exec", self.name, "setpriv", "--pdeathsig", "KILL", "--", SENDMILL, *arguments],
                env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        return self

    def run(self, *arguments: str) -> str:
        """What `sendmill …` prints on this host."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.name, SENDMILL, *arguments],
            env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def is_ready(self) -> bool:
        try:
            return requests.get(f"http://{self.address}:{WEB_PORT}/readyz", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def cut_off(self) -> None:
        """Its cable is pulled: what it sends is lost, and it is told nothing."""
        ip("link", "set", self._port, "nomaster")

    def reconnect(self) -> None:
        ip("link", "set", self._port, "master", self._network.name)

    def lose(self) -> None:
        """It is gone at once, without a last word to anybody."""
        self.cut_off()
        self.kill()

    def kill(self) -> None:
        if self._process is not None:
            kill_session(self._process.pid)
            self._process.wait()
            self._process = None

    def end(self) -> int:
        """SIGTERM; the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(60)
        self._process = None
        return status

    @property
    def node(self) -> str:
        """What the owner ids of its processes begin with."""
        return node_id(Path(self._environment["SENDMILL_DATA"]))

    def log(self) -> str:
        return self._log.read_text(errors="replace")


class Network:
    """The bridge, and the hosts on it."""

    def __init__(self) -> None:
        number = random.randint(0, 250)
        self.name = f"sm{os.getpid() % 10_000}n{number}"
        self.prefix = f"10.213.{number}"
        self.address = f"{self.prefix}.1"
        self._hosts: list[Host] = []
        ip("link", "add", self.name, "type", "bridge")
        ip("addr", "add", f"{self.address}/24", "dev", self.name)
        ip("link", "set", self.name, "up")

    def add_host(self, folder: Path, **settings: str) -> Host:
        self._hosts.append(Host(self, len(self._hosts) + 1, folder, **settings))
        return self._hosts[-1]

    def logs(self) -> str:
        return "\n".join(f"{host.name}:\n{host.log()[-6_000:]}" for host in self._hosts)

    def remove(self) -> None:
        for host in self._hosts:
            host.kill()
            ip("netns", "del", host.name)
        ip("link", "del", self.name)


@contextmanager
def network() -> Iterator[Network]:
    """Until the end of the block. The test is skipped, or fails, where namespaces can't be had."""
    needs(shutil.which("ip"), "ip (Debian package: iproute2)")
    needs(os.geteuid() == 0 and can_make_namespaces(), "root with network namespaces (CAP_SYS_ADMIN, CAP_NET_ADMIN)")
    made = Network()
    try:
        yield made
    finally:
        made.remove()


def can_make_namespaces() -> bool:
    name = f"smprobe{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return False
    ip("netns", "del", name)
    return True


def ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"


def unread_bytes_from(address: str) -> int:
    """What has come from a host and was not read by the processes here (proc(5), net/tcp)."""
    packed = f"{int.from_bytes(socket.inet_aton(address), sys.byteorder):08X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(row[4].rpartition(":")[2], 16) for row in rows if row[2].partition(":")[0] == packed)
