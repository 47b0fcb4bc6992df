"""Nodes of the last landed version and of this one, side by side through the migration, on one PostgreSQL."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg

from tests.components import needs
from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.campaigns import (
    assert_each_once,
    dispositions,
    people,
    people_csv,
    results,
    start_campaign,
    wait_until_completed,
)
from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import SmtpSink
from tests.end_to_end.waiting import wait_for
from tests.faults.accounting import taken_for
from tests.faults.scenario import Report, long_only, several_machines

ROOT = Path(__file__).parents[2]
LAST_LANDED = "bbc4b21"
"""The commit of the version before. When this one has landed, the next session puts its commit here."""


@several_machines
@long_only
def test_the_version_before_works_beside_this_one(
    new_server: Callable[..., Server], sink: SmtpSink, tmp_path: Path, report: Report
) -> None:
    count = 3_200
    sink.jitter_seconds = 0.02
    url = f"{sink.url}?connections=10"
    landed = source_of_last_landed(tmp_path)
    old = new_server(url, is_migrated=False, SENDMILL_WORKERS="1", PYTHONPATH=str(landed))
    old.start()
    client = old.create_client("acme")
    sink.hold_after(count // 10)  # so that the campaign is in its middle, however long the migration takes
    first = start_campaign(client, people_csv(count))
    wait_for(lambda: len(sink.messages) > count / 10)
    migrations_before = ask(old, "SELECT count(*) FROM django_migrations")

    new = new_server(url, beside=old, SENDMILL_WORKERS="1").start()  # which migrates
    added = len(migrations_in(ROOT / "src")) - len(migrations_in(landed))
    assert ask(old, "SELECT count(*) FROM django_migrations") == migrations_before + added
    beside = ApiClient(new.url, client.token, client.client_id)
    wait_for(
        lambda: ask(old, "SELECT count(DISTINCT owner) FROM delivery_chunk WHERE owner <> ''") == 2,
        what="both versions with a chunk in hand",
    )
    sink.release()
    by_new = start_campaign(beside, people_csv(300, "new.example"))
    by_old = start_campaign(client, people_csv(300, "old.example"))
    groups_seen_by_each_other(client, beside)
    report.faults = f"upgrade from {LAST_LANDED} while sending"
    wait_until_completed(beside, first, 120)
    report.settle(beside, first, people(count), taken_for(sink, "example.com"))
    for campaign, domain in ((by_new, "new.example"), (by_old, "old.example")):
        wait_until_completed(client, campaign)
        assert dispositions(client, campaign) == {"delivered": 300}
        assert results(client, campaign) == results(beside, campaign)
        assert_each_once(taken_for(sink, domain).recipients, people(300, domain))

    old.stop()
    new.command("migrate", "--finish")
    groups_seen_by_each_other(beside, beside)  # in the new layout now
    last = start_campaign(beside, people_csv(20, "last.example"))
    wait_until_completed(beside, last)
    for server in (old, new):
        said = server.whole_log()
        for word in ("Traceback", "child.died", "database_error", "unexpected_error", "job.failed"):
            assert word not in said, said[said.index(word) - 200 :][:3_000]


def source_of_last_landed(folder: Path) -> Path:
    """Its `src`, unpacked from the history."""
    packed = subprocess.run(["git", "archive", LAST_LANDED, "src"], cwd=ROOT, capture_output=True, check=False)
    needs(packed.returncode == 0, f"the commit {LAST_LANDED} in git's history (a shallow clone has none)")
    unpacked = folder / "last-landed"
    unpacked.mkdir()
    subprocess.run(["tar", "-x", "-C", str(unpacked)], input=packed.stdout, check=True)
    return unpacked / "src"


def migrations_in(source: Path) -> list[Path]:
    return list(source.glob("sendmill/*/migrations/0*.py"))


def groups_seen_by_each_other(old: ApiClient, new: ApiClient) -> None:
    """A group that either version fills is read, changed and emptied by the other."""
    for one, other in ((old, new), (new, old)):
        group = one.post("/email/contact/", {"tag": "Mixed"}).expect(201).json["$_id"]["$oid"]
        bulk(one, "replace", group, people_csv(30))
        assert emails(other, group) == people(30)
        bulk(other, "update", group, people_csv(40))
        assert emails(one, group) == emails(other, group) == people(40)
        bulk(one, "delete", group, people_csv(40))
        assert emails(other, group) == []


def bulk(client: ApiClient, action: str, group: str, csv: bytes) -> None:
    fields = {"email_index": "1"} if action == "delete" else {"name_index": "0", "email_index": "1"}
    path = f"/email/contact/bulk/{action}/?_id={group}"
    client.post_multipart(path, fields, {"csv_file": ("people.csv", csv)}).expect(200)


def emails(client: ApiClient, group: str) -> list[str]:
    return [row["email"] for row in client.get("/email/contact/", _id=group).expect(200).json["contacts"]]


def ask(server: Server, query: str) -> int:
    with psycopg.connect(server.environment["SENDMILL_DATABASE_URL"]) as database:
        row = database.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])
