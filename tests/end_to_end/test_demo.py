"""`sendmill demo`, as somebody who has just installed it would run it; and the first campaign of the README."""

import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.end_to_end.processes import kill_session, processes_of_session
from tests.end_to_end.server import Server
from tests.end_to_end.waiting import wait_for

_SENDMILL = str(Path(sys.executable).parent / "sendmill")
_SECONDS = 120.0
_ROOT = Path(__file__).parents[2]

runs_once = pytest.mark.skipif(
    bool(os.environ.get("SENDMILL_DATABASE_URL")), reason="a demo has an SQLite of its own, whatever the tests run on"
)


class Demo:
    """A demo in its own session, whose output can be read while it runs."""

    def __init__(self, folder: Path, *arguments: str, **settings: str) -> None:
        self._servers: list[int] = []
        self._output = folder / f"output-{len(list(folder.glob('output-*')))}"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [_SENDMILL, "demo", *arguments], env=environment(folder, **settings), stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True,
            )  # fmt: skip

    def output(self) -> str:
        return self._output.read_text()

    def ended(self) -> int:
        """Its exit code, once it has ended."""
        wait_for(lambda: self.process.poll() is not None, _SECONDS, self.output)
        return self.process.wait()

    def is_left_up(self) -> bool:
        assert self.process.poll() is None, self.output()
        return "until you press Ctrl-C" in self.output()

    def server_pid(self) -> int:
        """Its child, `sendmill run`, which is the leader of a session of its own."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        assert len(children) == 1, children
        self._servers.append(int(children[0]))
        return self._servers[-1]

    def discard(self) -> None:
        """Ends it, and the servers that the test has asked for, should one have outlived it."""
        for session in (self.process.pid, *self._servers):
            kill_session(session)
        self.process.wait()


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """No settings but where the data is, and a port that no other test has."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("SENDMILL_", "DJANGO_"))}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        bind = f"127.0.0.1:{probe.getsockname()[1]}"
    return {**own, "SENDMILL_DATA": str(folder / "data"), "SENDMILL_BIND": bind, **settings}


@pytest.fixture
def new_demo(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    """Starts demos; they end with the test, and leave nothing behind."""
    started: list[Demo] = []

    def start(*arguments: str, **settings: str) -> Demo:
        started.append(Demo(tmp_path, *arguments, **settings))
        return started[-1]

    yield start
    for demo in started:
        demo.discard()


@runs_once
def test_once(new_demo: Callable[..., Demo], tmp_path: Path) -> None:
    last_demo = tmp_path / "data" / "demo"
    (last_demo / "outbox" / "new").mkdir(parents=True)
    (last_demo / "demo.lock").touch()
    (last_demo / "outbox" / "new" / "old").write_text("mail of the last demo")
    # Neither a real database nor a real mail server is a demo's business.
    demo = new_demo(
        "--once", SENDMILL_DATABASE_URL="postgresql://nobody@127.0.0.1:1/real", SENDMILL_SMTP_URL="smtp://127.0.0.1:1"
    )
    assert demo.ended() == 0, demo.output()
    output = demo.output()
    assert "\x1b" not in output and "\r" not in output
    assert re.search(r"^ +delivered +299 ", output, re.MULTILINE), output
    assert re.search(r"^ +optout +1 ", output, re.MULTILINE), output
    assert re.search(r"^ +all +300$", output, re.MULTILINE), output
    assert 'Line 152 of the file was skipped: "somebody(at)example.com".' in output
    assert "Subject: 佐藤 花子, the new books have come" in output
    assert "Dear 佐藤 花子" in output
    assert str(last_demo / "outbox") in output
    assert len(list((last_demo / "outbox" / "new").iterdir())) == 299


@runs_once
def test_it_stays_up_with_commands_that_work_until_ctrl_c(new_demo: Callable[..., Demo], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bind = "{}:{}".format(*taken.getsockname())
        demos = [new_demo(SENDMILL_BIND=bind), new_demo(SENDMILL_BIND=bind)]
        for demo in demos:
            wait_for(demo.is_left_up, _SECONDS, demo.output)
            assert bind not in demo.output()
    assert {path.name for path in (tmp_path / "data").glob("demo*")} == {"demo", "demo-2"}
    servers = [demo.server_pid() for demo in demos]
    check_commands(demos[0].output())
    check_link(demos[0].output())
    demos[0].process.send_signal(signal.SIGINT)
    demos[1].process.send_signal(signal.SIGTERM)
    for demo, server in zip(demos, servers, strict=True):
        assert demo.ended() == 0, demo.output()
        assert processes_of_session(server) == []


def check_commands(output: str) -> None:
    """Raises AssertionError unless the lines that are shown to be pasted do what they should."""
    lines = [line.strip() for line in output.splitlines() if re.match(r" +(TOKEN=|curl )", line)]
    assert len(lines) == 5, lines
    answers = [
        subprocess.run(
            ["bash", "-c", f"{lines[0]}\n{line.replace('curl ', 'curl -sS --fail-with-body ', 1)}"],
            capture_output=True, text=True, check=True,
        ).stdout
        for line in lines[1:]
    ]  # fmt: skip
    assert '"status":"completed"' in answers[0]
    assert answers[1].count('"disposition":') == 3
    assert '"rejected_rows":1' in answers[2]
    assert '"email":"hanako.sato@example.com"' in answers[3]


def check_link(output: str) -> None:
    """Raises AssertionError unless the link leads to a password, once, and that into the dashboard of the demo."""
    link, address = re.search(r"(http\S+/password/\S+)\s+Then sign in:\s+(http\S+)", output).groups()  # type: ignore[union-attr]
    session = requests.Session()

    def send(page: requests.Response, **fields: str) -> requests.Response:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)[1]  # type: ignore[index]
        return session.post(page.url, {**fields, "csrfmiddlewaretoken": token}, timeout=30)

    password = "correct-horse-battery"
    chosen = send(session.get(link, timeout=30), password1=password, password2=password)
    assert "Your new password is set" in chosen.text
    overview = send(session.get(address, timeout=30), login="reader@example.com", password=password)
    assert "Overview" in overview.text and "Bookshop" in overview.text, overview.text
    assert "New books" in session.get(f"{address}campaigns/", timeout=30).text
    assert "This link no longer works" in session.get(link, timeout=30).text


@runs_once
def test_the_server_ends_with_a_demo_that_is_killed(new_demo: Callable[..., Demo]) -> None:
    demo = new_demo()
    wait_for(demo.is_left_up, _SECONDS, demo.output)
    server = demo.server_pid()
    assert len(processes_of_session(server)) > 2
    demo.process.kill()
    wait_for(lambda: processes_of_session(server) == [], _SECONDS, lambda: str(processes_of_session(server)))


@runs_once
def test_a_server_that_dies_is_told_with_its_log(new_demo: Callable[..., Demo]) -> None:
    demo = new_demo()
    wait_for(demo.is_left_up, _SECONDS, demo.output)
    kill_session(demo.server_pid())
    assert demo.ended() == 1
    end = demo.output().partition("Ctrl-C")[2]
    assert "sendmill demo: the server ended by itself" in end
    assert "server.log:\n" in end and "campaign.closed" in end and "Traceback" not in end


@runs_once
def test_on_a_terminal_it_draws_over_itself(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    not_ours = tmp_path / "data" / "demo"
    not_ours.write_text("somebody's own")
    drawn = drawn_on_terminal(environment(tmp_path, TERM="xterm-256color"))
    assert "█" * 32 in drawn
    assert "\r\x1b[K" in drawn and "\x1b[32m" in drawn
    assert not_ours.read_text() == "somebody's own"
    assert (tmp_path / "data" / "demo-2" / "outbox").is_dir()


def drawn_on_terminal(settings: dict[str, str]) -> str:
    """Everything that `sendmill demo --once` writes to a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([_SENDMILL, "demo", "--once"], env=settings, stdin=theirs, stdout=theirs) as process:
        os.close(theirs)
        drawn = b""
        while piece := _read(ours):
            drawn += piece
        assert process.wait(_SECONDS) == 0
    os.close(ours)
    return drawn.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux's way to say that nobody writes to it any more
        return b""


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md"])
def test_what_a_page_shows_works(page: str, new_server: Callable[..., Server]) -> None:
    server = new_server().start()
    folder = server.data.parent
    (folder / "sendmill-data").symlink_to(server.data)
    blocks = re.findall(r"^```sh\n(.*?)^```$", (_ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    assert blocks[0] == "make setup\n.venv/bin/sendmill run\n"
    commands = "\n".join(blocks[1:])
    assert "http://127.0.0.1:8080" in commands and ".venv/bin/sendmill client add" in commands
    commands = commands.replace("http://127.0.0.1:8080", server.url).replace(".venv/bin/sendmill", _SENDMILL)
    played = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands.replace("curl -s ", "curl -sS --fail-with-body ")],
        env=server.environment, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False,
    )  # fmt: skip
    assert played.returncode == 0, played.stdout + played.stderr
    assert played.stdout.count('"disposition":"delivered"') == 2, played.stdout
    assert '"rejected_rows":1' in played.stdout
    if page == "README.md":
        assert len(re.findall(r"^[0-9a-f]{32}\.sendmill$", played.stdout, re.MULTILINE)) == 2
    else:
        assert played.stdout.count('"disposition":"optout"') == 1
