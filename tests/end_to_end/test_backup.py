"""A backup is made in the middle of a campaign, which goes on; then it is restored."""

import json
import os
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.campaigns import (
    assert_each_once,
    dispositions,
    people,
    people_csv,
    set_status,
    start_campaign,
    status,
    wait_until_completed,
)
from tests.end_to_end.databases import SENDMILL
from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import SmtpSink
from tests.end_to_end.waiting import wait_for

COUNT = 1_500


def run(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`sendmill …`, which may fail."""
    return subprocess.run(
        [SENDMILL, *arguments], env=server.environment, capture_output=True, text=True, timeout=120, check=False
    )


def refusal(server: Server, *arguments: str) -> str:
    """The one line with which it refuses."""
    done = run(server, *arguments)
    assert done.returncode == 1, done
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


@pytest.fixture
def restored(new_server: Callable[..., Server], sink: SmtpSink) -> Iterator[Server]:
    """Another machine, with an empty database."""
    yield new_server(sink.url, is_migrated=False)


def test_a_restore_in_the_middle_of_a_campaign(
    new_server: Callable[..., Server], restored: Server, sink: SmtpSink, tmp_path: Path
) -> None:
    server = new_server(sink.url).start()
    client = server.create_client("acme")
    server.command("dkim", "add", "sender.test", "--algorithm", "ed25519")
    sink.hold_after(300)  # however long the command takes to begin
    campaign = start_campaign(client, people_csv(COUNT))
    sink.wait_for_messages(300)
    backup = tmp_path / "backup"
    server.command("backup", str(backup))
    sink.release()
    wait_until_completed(client, campaign)
    assert_each_once(sink.recipients, people(COUNT))
    server.stop()

    assert stat.S_IMODE(backup.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in backup.iterdir()} == {0o600}
    assert "there already" in refusal(server, "backup", str(backup))
    check_that_damage_is_seen(restored, backup, tmp_path)

    # The database that is there is somebody's.
    assert "not empty" in refusal(server, "restore", str(backup))
    with_hold = restore(server, str(backup), "--replace", "--in-doubt", "hold")
    assert with_hold["at_stake"] == 0
    assert 0 < with_hold["held"] <= COUNT - 300
    assert "not empty" in refusal(server, "restore", str(backup))

    # Elsewhere, with the mail server's log: it names everything, so nobody gets it twice.
    log = tmp_path / "mail.log"
    log.write_bytes(b"".join(b"cleanup: message-id=%b\n" % message_id(sent.content) for sent in sink.messages))
    found = restore(restored, str(backup), "--sent", str(log))
    assert found["status"] == "paused"
    assert found["delivered"] == with_hold["held"]
    assert found["at_stake"] == found["in_doubt"] == 0
    assert "restored a backup" in done_to_the_installation(restored)
    restored.start()
    moved = ApiClient(restored.url, client.token, client.client_id)
    wait_until_completed(moved, campaign)
    assert dispositions(moved, campaign) == {"delivered": COUNT}
    assert_each_once(sink.recipients, people(COUNT))
    # It signs with the key that came with the backup.
    assert "sender.test" in restored.command("dkim", "list")
    assert "uses" in refusal(restored, "restore", str(backup), "--replace")
    restored.stop()

    # Without a log, what may have been sent waits for somebody's word, and is then sent again.
    stake = restore(restored, str(backup), "--replace")
    assert stake["at_stake"] + stake["in_doubt"] == with_hold["held"]
    restored.start()
    wait_for(lambda: status(moved, campaign) == "paused")
    set_status(moved, campaign, "active")
    wait_until_completed(moved, campaign)
    repeated = len(sink.recipients) - COUNT
    assert repeated == with_hold["held"]
    assert set(sink.recipients) == set(people(COUNT))


def done_to_the_installation(server: Server) -> set[str]:
    """What its audit log says."""
    url = server.environment.get("SENDMILL_DATABASE_URL")
    opened = psycopg.connect(url) if url else sqlite3.connect(server.data / "sendmill.sqlite3")
    with closing(opened) as database:
        found = database.execute("SELECT action FROM accounts_auditentry WHERE client_id IS NULL").fetchall()
    return {action for (action,) in found}


def check_that_damage_is_seen(restored: Server, backup: Path, folder: Path) -> None:
    damaged = folder / "damaged"
    shutil.copytree(backup, damaged)
    database = next(path for path in damaged.iterdir() if path.name.startswith("database."))
    content = bytearray(database.read_bytes())
    content[len(content) // 2] ^= 1
    database.write_bytes(content)
    assert "is damaged" in refusal(restored, "restore", str(damaged))

    shutil.rmtree(damaged)
    shutil.copytree(backup, damaged)
    manifest = json.loads((damaged / "manifest.json").read_text())
    manifest["migrations"].append("delivery.9999_of_tomorrow")
    (damaged / "manifest.json").write_text(json.dumps(manifest))
    assert "newer version" in refusal(restored, "restore", str(damaged))
    (damaged / "manifest.json").unlink()
    assert "is no backup" in refusal(restored, "restore", str(damaged))
    assert "migrations behind" in refusal(restored, "token", "add", "--client", "57bb010e2cd5264797b017e5")


def restore(server: Server, *arguments: str) -> dict[str, Any]:
    """What it says of the only campaign."""
    (campaign,) = json.loads(server.command("restore", *arguments, "--json"))["campaigns"]
    return dict(campaign)


def message_id(content: bytes) -> bytes:
    lines = [line for line in content.splitlines() if line.lower().startswith(b"message-id:")]
    return lines[0].split()[1]


def test_a_backup_made_after_a_restore_can_be_restored_beside_what_was_set_aside(
    new_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = new_server()
    client = server.create_client("acme")
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    server.command("backup", first)
    server.command("restore", first, "--replace")
    server.command("backup", second)
    assert tables(Path(second)) == tables(Path(first))
    server.command("restore", second, "--replace")
    assert server.command("token", "add", "--client", client.client_id)


def tables(backup: Path) -> set[str]:
    """The tables of a dump, with their schemas; nothing of SQLite's file."""
    dumped = backup / "database.dump"
    if not dumped.exists():
        return set()
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_restore"))
    listed = subprocess.run([programs[-1], "--list", dumped], capture_output=True, text=True, check=True)
    return {" ".join(line.split()[3:6]) for line in listed.stdout.splitlines() if " TABLE " in line}


def test_a_restore_under_another_secret_key_is_refused(new_server: Callable[..., Server], tmp_path: Path) -> None:
    server = new_server()
    backup = str(tmp_path / "backup")
    server.command("backup", backup)
    key = (tmp_path / "backup" / "secret-key").read_text().strip()
    server.environment["SENDMILL_SECRET_KEY"] = "f" * 64
    assert "secret key is not the one" in refusal(server, "restore", backup, "--replace")
    server.environment["SENDMILL_SECRET_KEY_FALLBACKS"] = key
    server.command("restore", backup, "--replace")


@pytest.mark.skipif(
    "SENDMILL_DATABASE_URL" in os.environ, reason="PostgreSQL has no file of ours to be damaged or cut off"
)
def test_a_backup_takes_the_place_of_a_damaged_file(new_server: Callable[..., Server], tmp_path: Path) -> None:
    server = new_server()
    client = server.create_client("acme")
    backup = str(tmp_path / "backup")
    server.command("backup", backup)
    database = server.data / "sendmill.sqlite3"
    damaged = bytes(range(256)) * 1000
    database.write_bytes(damaged)
    assert "not empty" in refusal(server, "restore", backup)
    assert "not a database" in refusal(server, "backup", str(tmp_path / "another"))
    assert not list(tmp_path.glob("another*"))
    examined = run(server, "doctor")
    assert (examined.returncode, "'sendmill restore' with --replace" in examined.stdout) == (1, True)
    server.command("restore", backup, "--replace")
    assert server.command("token", "add", "--client", client.client_id)
    (aside,) = server.data.glob("sendmill.sqlite3.replaced-*")
    assert aside.read_bytes() == damaged


@pytest.mark.skipif(
    "SENDMILL_DATABASE_URL" in os.environ, reason="PostgreSQL has no file of ours to be damaged or cut off"
)
def test_a_restore_without_room_leaves_the_database_in_its_place(
    new_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = new_server()
    client = server.create_client("acme")
    backup = str(tmp_path / "backup")
    server.command("backup", backup)
    size = (server.data / "sendmill.sqlite3").stat().st_size
    limited = subprocess.run(
        ["prlimit", f"--fsize={size // 2}", SENDMILL, "restore", backup, "--replace"],
        env=server.environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert limited.returncode == 1
    assert "can't be copied" in limited.stderr
    assert len(limited.stderr.splitlines()) == 1
    assert [path.name for path in server.data.glob("sendmill.sqlite3.*")] == []
    assert server.command("token", "add", "--client", client.client_id)


@pytest.mark.skipif(
    "SENDMILL_DATABASE_URL" in os.environ, reason="PostgreSQL is copied by pg_dump, which no writer holds up"
)
def test_a_sqlite_backup_ends_while_others_write_all_the_time(tmp_path: Path) -> None:
    from sendmill.backups import sqlite

    path = tmp_path / "busy.sqlite3"
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("CREATE TABLE t (id integer PRIMARY KEY, v)")
    writer.execute(
        "INSERT INTO t (v) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) "
        "SELECT printf('%0100d', i) FROM n"
    )
    steps = 0

    def write_meanwhile(_part: float) -> None:
        nonlocal steps
        steps += 1
        assert steps < 100, "it begins anew again and again"
        writer.execute("UPDATE t SET v = 'new' WHERE id = ?", [steps])
        writer.execute("INSERT INTO t (v) VALUES ('later')")

    sqlite.copy(path, tmp_path / "copy.sqlite3", write_meanwhile)
    assert steps > 2
    copied = sqlite3.connect(tmp_path / "copy.sqlite3")
    assert copied.execute("SELECT count(*) FROM t").fetchone()[0] == 200_000
    assert copied.execute("SELECT count(*) FROM t WHERE v = 'new'").fetchone()[0] == 0
    copied.close()
    writer.close()
