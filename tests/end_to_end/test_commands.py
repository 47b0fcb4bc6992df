"""The long-running commands: what they refuse, in one line, and that they come back."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import requests

from tests.end_to_end.campaigns import assert_each_once, people, people_csv, start_campaign, wait_until_completed
from tests.end_to_end.databases import same_to_either_database
from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import SmtpSink
from tests.end_to_end.waiting import wait_for


def refusal(server: Server, *arguments: str) -> str:
    """The one line that a command ends with. Raises AssertionError if it succeeds or says more."""
    sendmill = [str(Path(sys.executable).parent / "sendmill"), *arguments]
    ended = subprocess.run(sendmill, env=server.environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode in (1, 2), ended
    [line] = ended.stderr.splitlines()
    return line


@same_to_either_database
def test_a_second_server_on_the_same_port_is_refused(server: Server) -> None:
    assert "SENDMILL_BIND" in refusal(server, "run")


@same_to_either_database
def test_what_the_system_refuses_is_one_line(new_server: Callable[..., Server], tmp_path: Path) -> None:
    server = new_server()
    assert "too long" in refusal(server, "backup", str(tmp_path / ("x" * 300)))
    (server.data / "in-use.lock").mkdir()
    assert "in-use.lock: Is a directory" in refusal(server, "run")


@same_to_either_database
def test_output_that_nobody_takes_is_no_traceback(new_server: Callable[..., Server]) -> None:
    server = new_server()
    sendmill = str(Path(sys.executable).parent / "sendmill")
    for shell, told in (("{0} status > /dev/full", "No space left"), ("{0} status | true", "")):
        ended = subprocess.run(
            ["bash", "-o", "pipefail", "-c", shell.format(sendmill)],
            env=server.environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ended.returncode == 1
        assert told in ended.stderr
        assert len(ended.stderr.splitlines()) == bool(told), ended.stderr


@same_to_either_database
def test_it_listens_on_an_address_that_is_named(new_server: Callable[..., Server]) -> None:
    server = new_server()
    server.environment["SENDMILL_BIND"] = f"localhost:{server.port}"
    server.start().stop()


@same_to_either_database
def test_a_terminal_that_is_closed_ends_it_cleanly(server: Server, sink: SmtpSink) -> None:
    # The kernel, or a shell, sends SIGHUP to all processes of the session.
    client = server.create_client("acme")
    sink.hold_after(1)
    campaign = start_campaign(client, people_csv(50))
    sink.wait_for_messages(1)
    for process in server.processes():
        os.kill(process.pid, signal.SIGHUP)
    sink.release()
    assert server.wait_for_end() == 0
    server.start()
    wait_until_completed(client, campaign)
    assert_each_once(sink.recipients, people(50))


@same_to_either_database
@pytest.mark.parametrize("is_ignored", [False, True])
def test_a_terminal_that_is_closed_ends_the_web_unless_it_was_to_outlive_it(
    new_server: Callable[..., Server], is_ignored: bool
) -> None:
    server = new_server()
    web = subprocess.Popen(
        [str(Path(sys.executable).parent / "sendmill"), "web"],
        env=server.environment,
        preexec_fn=(lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) if is_ignored else None,
    )
    try:
        wait_for(lambda: answers(server), 60)
        web.send_signal(signal.SIGHUP)
        if is_ignored:
            with pytest.raises(subprocess.TimeoutExpired):
                web.wait(2)
            assert answers(server)
            web.terminate()
        assert web.wait(30) == 0
    finally:
        web.kill()
        web.wait()


def answers(server: Server) -> bool:
    try:
        return requests.get(f"{server.url}/healthz", timeout=5).ok
    except requests.ConnectionError:
        return False


def test_web_and_worker_refuse_a_database_that_is_behind(new_server: Callable[..., Server]) -> None:
    server = new_server(is_migrated=False)
    assert "Run 'sendmill migrate' first." in refusal(server, "web")
    assert "Run 'sendmill migrate' first." in refusal(server, "worker")
    server.command("migrate")
    assert server.command("migrate") == "The database is up to date.\n"


def test_doctor_finds_a_good_installation_good_and_names_what_is_not(
    new_server: Callable[..., Server], sink: SmtpSink
) -> None:
    server = new_server(sink.url)
    server.command("migrate")
    report = server.command("doctor")
    assert "PROBLEM" not in report
    assert "tzdata" in report
    sink.stop()
    ended = subprocess.run(
        [str(Path(sys.executable).parent / "sendmill"), "doctor"],
        env=server.environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "refused" in ended.stdout


@same_to_either_database
def test_every_child_that_dies_comes_back(server: Server) -> None:
    def parts() -> dict[str, int]:
        return {process.name: process.pid for process in server.processes() if process.name != "sendmill"}

    before = parts()
    assert set(before) == {"scheduler", "worker-1", "worker-2", "web"}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(after := parts()) == 4 and not set(after.values()) & set(before.values()), 60)
    client = server.create_client("acme")
    wait_for(server.is_ready, 60)
    wait_until_completed(client, start_campaign(client, people_csv(5)))


@same_to_either_database
def test_nothing_goes_on_to_take_requests_when_the_web_is_killed(server: Server) -> None:
    def parts() -> tuple[int, int]:
        """The web's process, and the one below that answers."""
        found = {process.pid: process for process in server.processes() if process.name == "web"}
        (answering,) = [pid for pid, process in found.items() if process.parent in found]
        return found[answering].parent, answering

    wait_for(lambda: len([process for process in server.processes() if process.name == "web"]) == 2)
    web, answering = parts()
    os.kill(web, signal.SIGKILL)
    wait_for(lambda: not is_running(answering))
    wait_for(server.is_ready, 60)


@same_to_either_database
def test_when_run_is_killed_its_children_end(server: Server) -> None:
    processes = server.processes()
    leader = next(process for process in processes if process.name == "sendmill")
    os.kill(leader.pid, signal.SIGKILL)
    wait_for(lambda: not [pid for pid in (process.pid for process in processes) if is_running(pid)], 40)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_import_fills_a_group_and_says_what_it_did(new_server: Callable[..., Server], tmp_path: Path) -> None:
    server = new_server()
    client = server.create_client("acme")
    file = tmp_path / "people.csv"
    file.write_text("Mail,Name\nbob@example.com,Bob\nno\x1b[31mbody,Eve\nzoe@example.com,Zoë\nBOB@example.com,Robert\n")
    arguments = ("import", str(file), "--group", "People", "--client", client.client_id, "--email-column", "mail")
    assert server.command(*arguments, "--dry-run").startswith("would be added or changed: 2 contacts (rows with")
    said = server.command(*arguments)
    assert said.startswith("added or changed: 2 contacts") and "line 3: An email address must" in said
    assert "\x1b" not in said, "a terminal would obey it"
    assert "deleted: 2 contacts" in server.command(*arguments, "--action", "delete")
    assert "No column is headed" in refusal(server, *arguments[:-1], "address")
    assert "can't be read" in refusal(server, "import", str(tmp_path / "none"), *arguments[2:])
    assert "may not be blank" in refusal(server, *arguments, "--group", " ")
    assert "is not text in UTF-8" in refusal(server, *arguments, "--group", "\udcff")
    assert "There is no group with this tag" in refusal(server, *arguments, "--group", "Others", "--action", "delete")


def test_a_database_of_a_newer_version_is_accepted(server: Server) -> None:
    """As nodes see it that are still to be upgraded."""
    if url := server.environment.get("SENDMILL_DATABASE_URL"):
        with psycopg.connect(url) as database:
            database.execute(_OF_THE_FUTURE)
    else:
        with closing(sqlite3.connect(server.data / "sendmill.sqlite3")) as file, file:
            file.execute(_OF_THE_FUTURE)
    assert server.is_ready() and server.command("migrate") == "The database is up to date.\n"
    server.restart()


_OF_THE_FUTURE = (
    "INSERT INTO django_migrations (app, name, applied) VALUES ('contacts', '9999_what_comes', '2030-01-01 00:00')"
)
