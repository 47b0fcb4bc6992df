"""Every process is killed in the middle of a bulk call: afterwards there is the old set or the new one, exactly."""

import contextlib
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest
import requests

from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.server import Server
from tests.end_to_end.waiting import wait_for
from tests.faults.postgresql_cluster import Cluster
from tests.faults.scenario import IS_LONG, Report, a_server_to_restart, long_only, sized

ROWS = sized(20_000, 200_000)
KILLS = sized(1, 10)
RESTARTS = 4
GOES_ON_SECONDS = 30  # 5 for the one that was killed, the rest for a machine that does much else
KINDS = ("replace", "update", "delete", "optouts") if IS_LONG else ("update", "optouts")

Contact = tuple[str, str]


def contact(number: int, name: str) -> Contact:
    return name, f"person{number * 7_919 % ROWS}.{number}@example.com"


OLD = [contact(number, "Old") for number in range(ROWS)]
FILE = [contact(number, "New") for number in range(ROWS // 2, ROWS + ROWS // 2)]
NEW = {
    "replace": FILE,
    "update": [*OLD[: ROWS // 2], *FILE],
    "delete": OLD[: ROWS // 2],
    "optouts": FILE,
}


def csv_of(contacts: list[Contact]) -> bytes:
    return "".join(["name,email\n", *(f"{name},{email}\n" for name, email in contacts)]).encode()


def post(client: ApiClient, kind: str, group: str, contacts: list[Contact]) -> None:
    path = "/email/optout/bulk/add/" if kind == "optouts" else f"/email/contact/bulk/{kind}/?_id={group}"
    fields = {"email_index": "1"} if kind in ("optouts", "delete") else {"name_index": "0", "email_index": "1"}
    client.post_multipart(path, fields, {"csv_file": ("a.csv", csv_of(contacts))}).expect(200)


def contacts_of(client: ApiClient, group: str) -> list[Contact]:
    listed = client.get("/email/contact/", _id=group).expect(200).json["contacts"]
    return [(row["name"], row["email"]) for row in listed]


def opted_out(client: ApiClient) -> set[str]:
    return {row["email"] for row in client.get("/email/optout/").expect(200).json}


def age_imports(server: Server) -> None:
    """As if the two minutes had passed after which an import counts as silent."""
    url = server.environment.get("SENDMILL_DATABASE_URL")
    opened = psycopg.connect(url) if url else sqlite3.connect(server.data / "sendmill.sqlite3", timeout=30)
    with closing(opened) as database, database:
        database.execute("UPDATE contacts_import SET heartbeat_on = '2026-01-01 00:00:00'")


def killed_in_the_middle(server: Server, client: ApiClient, kind: str, group: str, seconds: float) -> None:
    """Send the call and kill everything at a random moment of about what it takes; then start again."""

    def call() -> None:
        with contextlib.suppress(requests.ConnectionError, AssertionError):
            post(client, kind, group, FILE)

    caller = threading.Thread(target=call)
    caller.start()
    caller.join(random.uniform(0.1, 1.0) * seconds)
    server.kill_everything()
    caller.join(60)
    server.start()


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_killed_in_a_bulk_call(kind: str, new_server: Callable[..., Server], report: Report) -> None:
    server = new_server().start()
    client = server.create_client("acme")
    group = client.post("/email/contact/", {"tag": "People"}).expect(201).json["$_id"]["$oid"]
    began = time.monotonic()
    post(client, "replace", group, OLD)
    seconds = time.monotonic() - began
    longest = 0.0
    came_to = {"old": 0, "new": 0, "finished later": 0}
    for _ in range(KILLS):
        killed_in_the_middle(server, client, kind, group, seconds)
        if kind == "optouts":
            came_to[opt_outs_are_exact(server, client)] += 1
        else:
            found = contacts_of(client, group)
            assert found in (OLD, NEW[kind])
            came_to["old" if found == OLD else "new"] += 1
            began = time.monotonic()
            post(client, "replace", group, OLD)  # which waits for one that was being merged
            longest = max(longest, time.monotonic() - began)
    post(client, kind, group, FILE)
    if kind == "optouts":
        assert opted_out(client) == {email for _, email in FILE}
    else:
        assert contacts_of(client, group) == NEW[kind]
    report.faults = f"{KILLS} kills of a {kind} of {ROWS:,}"
    report.note = ", ".join(f"{name}: {count}" for name, count in came_to.items())
    if longest:
        report.note += f"; the next call took {longest:.1f} s at most"
        assert longest < seconds + GOES_ON_SECONDS


@a_server_to_restart
@long_only
def test_the_database_restarts_while_addresses_are_opted_out(
    cluster: Cluster, new_server: Callable[..., Server], report: Report
) -> None:
    """Steps of which PostgreSQL had not written the end to disk are forgotten, and taken again."""
    # Not a copy of a migrated one: in a database made by TEMPLATE, PostgreSQL's sequences go back in a crash.
    server = new_server(is_migrated=False, SENDMILL_DATABASE_URL=cluster.url).start()
    client = server.create_client("acme")
    began = time.monotonic()
    post(client, "optouts", "", OLD)
    seconds = time.monotonic() - began
    came_to = {"old": 0, "new": 0, "finished later": 0}
    for _ in range(RESTARTS):
        files = {"csv_file": ("a.csv", csv_of(OLD))}
        client.post_multipart("/email/optout/bulk/delete/", {"email_index": "1"}, files).expect(200)
        restarted_in_the_middle(cluster, client, seconds)
        came_to[opt_outs_are_exact(server, client)] += 1
    report.faults = f"{RESTARTS} restarts of PostgreSQL while {ROWS:,} were opted out"
    report.note = ", ".join(f"{name}: {count}" for name, count in came_to.items())


def restarted_in_the_middle(cluster: Cluster, client: ApiClient, seconds: float) -> None:
    """Send the call and restart the database at a random moment of about what it takes."""

    def call() -> None:
        with contextlib.suppress(AssertionError):
            post(client, "optouts", "", FILE)

    caller = threading.Thread(target=call)
    caller.start()
    caller.join(random.uniform(0.1, 1.0) * seconds)
    cluster.restart_immediately()
    caller.join(60)
    wait_for(lambda: client.get("/email/message/").status == 200, what="an answer of the API")


def opt_outs_are_exact(server: Server, client: ApiClient) -> str:
    """None at all, or all of them: at once, or when the import that was begun has been finished. Leaves none."""
    every = {email for _, email in FILE}
    before = opted_out(client)
    age_imports(server)
    wait_for(
        lambda: all(row["status"] in ("done", "failed") for row in client.get("/email/import/").json),
        what="the end of every import",
    )
    after = opted_out(client)
    assert after in (set(), every)
    assert before <= after, "an opt-out was lost"
    files = {"csv_file": ("a.csv", csv_of(FILE))}
    client.post_multipart("/email/optout/bulk/delete/", {"email_index": "1"}, files).expect(200)
    return "old" if not after else "new" if before == after else "finished later"
