"""Bulk calls over HTTP, from the first byte sent to the answer, beside what the same rows cost without Sendmill.

    .venv/bin/python -m bench.bulk [--rows 1000000] [--rounds 3] [--only replace update delete optouts]

A list of name, email and three more columns, in no order of the addresses, 1 % of them invalid and 1 % repeated: sent
as replace, as update with all rows there already, as delete of every other one, and as opt-outs. SQLite, or what
SENDMILL_DATABASE_URL names. Yardsticks in the same run, on the same rows: `csv.reader` alone, and SQLite's own
`executemany` into a table with a unique key, in transactions of 16,000 (with SENDMILL_DATABASE_URL: `COPY`). Printed:
rows a second, medians of the rounds, and the peak memory of the web process.
"""

import argparse
import csv
import os
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from bench.running import Api, RunningServer, free_port

CALLS = ("replace", "update", "delete", "optouts")
BATCH = 16_000


def write_list(path: Path, rows: int, every: int = 1) -> None:
    """The list, or every second row of it."""
    draw = random.Random(1)
    addresses: list[str] = []
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "email", "city", "plan", "visits"])
        for number in range(rows):
            email = f"{draw.getrandbits(48):012x}@example.com"
            if number % 100 == 1:
                email = "nobody"
            elif number % 100 == 2 and addresses:
                email = addresses[0]
            if number % 1000 == 0:
                addresses = [email]
            if number % every == 0:
                writer.writerow([f"Person {number}", email, "Köln", "gold", number % 97])


def rows_of(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.reader(file)


def seconds(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def with_database_alone(path: Path, folder: Path) -> float:
    """Seconds that the database takes for the rows by itself."""
    rows = [tuple(row) for row in rows_of(path)][1:]
    url = os.environ.get("SENDMILL_DATABASE_URL")
    if url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS bench_rows")
            connection.execute("CREATE TABLE bench_rows (name text, email text, city text, plan text, visits text)")

            def copy() -> None:
                with connection.cursor().copy("COPY bench_rows FROM STDIN") as into:
                    for row in rows:
                        into.write_row(row)

            found = seconds(copy)
            connection.execute("DROP TABLE bench_rows")
            return found
    database = sqlite3.connect(folder / "yardstick.sqlite3", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute("CREATE TABLE c (id integer PRIMARY KEY, name, email UNIQUE, city, plan, visits)")

    def insert() -> None:
        for begin in range(0, len(rows), BATCH):
            database.execute("BEGIN")
            database.executemany(
                "INSERT OR REPLACE INTO c (name, email, city, plan, visits) VALUES (?, ?, ?, ?, ?)",
                rows[begin : begin + BATCH],
            )
            database.execute("COMMIT")

    found = seconds(insert)
    database.close()
    (folder / "yardstick.sqlite3").unlink()
    return found


def main() -> None:
    """Run the rounds and print what they gave."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=CALLS, default=list(CALLS))
    options = parser.parse_args()
    rates: dict[str, list[float]] = {}
    peaks = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="sendmill-bench-") as name:
            folder = Path(name)
            whole, half = folder / "whole.csv", folder / "half.csv"
            write_list(whole, options.rows)
            write_list(half, options.rows, every=2)
            plain = seconds(lambda path=whole: sum(1 for _ in rows_of(path)))  # type: ignore[misc]
            rates.setdefault("csv.reader alone", []).append(options.rows / plain)
            rates.setdefault("the database alone", []).append(options.rows / with_database_alone(whole, folder))
            with RunningServer(folder, free_port(), "outbox:") as server:
                for call, rate in call_all(server.client(), whole, half, options.rows, options.only):
                    rates.setdefault(call, []).append(rate)
                peaks.append(max(peak for role, peak in server.peaks().items() if role.startswith("web")))
    for call, found in rates.items():
        print(f"{call:20} {statistics.median(found):>10,.0f} rows/s")
    print(f"peak of the web process {max(peaks) / 1e6:.0f} MB, {options.rows:,} rows, {options.rounds} rounds")


def call_all(api: Api, whole: Path, half: Path, rows: int, only: list[str]) -> Iterator[tuple[str, float]]:
    """Rows a second of each call."""
    group = api.post_json("/email/contact/", {"tag": "Bench"})["$_id"]["$oid"]
    both, address = {"name_index": "0", "email_index": "1"}, {"email_index": "1"}
    calls = {
        "replace": (f"/email/contact/bulk/replace/?_id={group}", both, whole, rows),
        "update": (f"/email/contact/bulk/update/?_id={group}", both, whole, rows),
        "delete": (f"/email/contact/bulk/delete/?_id={group}", address, half, rows // 2),
        "optouts": ("/email/optout/bulk/add/", address, whole, rows),
    }
    for call, (path, fields, file, count) in calls.items():
        if call in only or call == "replace":
            body = file.read_bytes()
            yield call, count / seconds(lambda p=path, f=fields, b=body: api.post_multipart(p, f, b))  # type: ignore[misc]


if __name__ == "__main__":
    main()
