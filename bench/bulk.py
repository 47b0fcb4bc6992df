"""Bulk calls over HTTP, from the first byte sent to the answer, beside what the same rows cost without Sendmill.

    .venv/bin/python -m bench.bulk [--rows 1000000] [--rounds 3] [--only replace update delete optouts]

A list of name, email and three more columns, in no order of the addresses, 1 % of them invalid and 1 % repeated: sent
as replace, as update with all rows there already, as delete of every other one, and as opt-outs. SQLite, or what
SENDMILL_DATABASE_URL names (`scripts/with_postgresql.py -- .venv/bin/python -m bench.bulk`), which must be empty.

Yardsticks in the same run, on the same rows: `csv.reader` alone, and SQLite's own `executemany` into a table with a
unique key, in transactions of 16,000 (with SENDMILL_DATABASE_URL: `COPY` into one). For each call: rows a second, the
ratio to the database alone, CPU a row of the web process, and the peak memory of the web process
during the call. Medians of the rounds; of the memory the largest.

At the end of a round the replace is sent once more while a second client asks for `GET /email/message/` again and
again: the 99th percentile of what it waits.
"""

import argparse
import csv
import os
import random
import shutil
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

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
    """Seconds that the database takes for the rows by itself, into a table with a unique key of the address."""
    rows = list({row[1]: tuple(row) for row in rows_of(path)}.values())[1:]
    url = os.environ.get("SENDMILL_DATABASE_URL")
    return copy_into_postgresql(url, rows) if url else insert_into_sqlite(folder / "yardstick.sqlite3", rows)


def copy_into_postgresql(url: str, rows: list[tuple[str, ...]]) -> float:
    """COPY, in one transaction."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bench_rows")
        connection.execute(
            "CREATE TABLE bench_rows"
            " (id bigserial PRIMARY KEY, name text, email text UNIQUE, city text, plan text, visits text)"
        )

        def copy() -> None:
            with connection.cursor().copy("COPY bench_rows (name, email, city, plan, visits) FROM STDIN") as into:
                for row in rows:
                    into.write_row(row)

        found = seconds(copy)
        connection.execute("DROP TABLE bench_rows")
        return found


def insert_into_sqlite(path: Path, rows: list[tuple[str, ...]]) -> float:
    """executemany, in transactions of BATCH rows."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute("CREATE TABLE c (id integer PRIMARY KEY, name, email UNIQUE, city, plan, visits)")

    def insert() -> None:
        for begin in range(0, len(rows), BATCH):
            database.execute("BEGIN")
            database.executemany(
                "INSERT INTO c (name, email, city, plan, visits) VALUES (?, ?, ?, ?, ?)", rows[begin : begin + BATCH]
            )
            database.execute("COMMIT")

    found = seconds(insert)
    database.close()
    path.unlink()
    return found


class Call(NamedTuple):
    """What one bulk call took."""

    rate: float
    cpu_microseconds: float
    peak_bytes: int


class Asking(threading.Thread):
    """Asks for the messages again and again, until it is stopped; `waits` has the seconds that each answer took."""

    def __init__(self, api: Api) -> None:
        super().__init__(daemon=True)
        self.waits: list[float] = []
        self._api = api
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(0.01):
            self.waits.append(seconds(lambda: self._api.get_json("/email/message/")))

    def __enter__(self) -> "Asking":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self.join()


def measure(server: RunningServer, rows: int, act: Callable[[], object]) -> Call:
    """What a call of so many rows takes."""
    server.forget_peaks()
    cpu = server.cpu_seconds()["web"]
    took = seconds(act)
    cpu = server.cpu_seconds()["web"] - cpu
    peak = max(peak for role, peak in server.peaks().items() if role.startswith("web"))
    return Call(rows / took, cpu / rows * 1e6, peak)


def p99_during(api: Api, act: Callable[[], object]) -> float:
    """The 99th percentile of the seconds that another client waits for its messages meanwhile."""
    with Asking(api) as asking:
        act()
    return statistics.quantiles(asking.waits, n=100)[98]


def call_all(
    server: RunningServer, whole: Path, half: Path, rows: int, only: list[str], waits: list[float]
) -> Iterator[tuple[str, Call]]:
    """What each call takes, in an order in which each finds what it needs; at last another's wait during a replace."""
    api = server.client()
    api.post_json("/email/message/", {"description": "Hello", "email_message": "Good day."})
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
            post = partial(api.post_multipart, path, fields, file.read_bytes())
            yield call, measure(server, count, post)
    path, fields, file, _ = calls["replace"]
    waits.append(p99_during(api, partial(api.post_multipart, path, fields, file.read_bytes())))


def main() -> None:
    """Run the rounds and print what they gave."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=CALLS, default=list(CALLS))
    options = parser.parse_args()
    url = os.environ.get("SENDMILL_DATABASE_URL")
    yardsticks: dict[str, list[float]] = {"csv.reader alone": [], "COPY alone" if url else "executemany alone": []}
    reader_alone, database_alone = yardsticks.values()
    found: dict[str, list[Call]] = {}
    waits: list[float] = []
    with tempfile.TemporaryDirectory(prefix="sendmill-bench-") as name:
        whole, half = Path(name) / "whole.csv", Path(name) / "half.csv"
        write_list(whole, options.rows)
        write_list(half, options.rows, every=2)
        for number in range(options.rounds):
            folder = Path(name) / str(number)
            folder.mkdir()
            reader_alone.append(options.rows / seconds(lambda: sum(1 for _ in rows_of(whole))))
            database_alone.append(options.rows / with_database_alone(whole, folder))
            settings = {"SENDMILL_DATABASE_URL": url} if url else {}
            with RunningServer(folder, free_port(), "outbox:", settings) as server:
                for call, result in call_all(server, whole, half, options.rows, options.only, waits):
                    found.setdefault(call, []).append(result)
                    print(f"round {number + 1}: {call} {result.rate:,.0f} rows/s", flush=True)
            shutil.rmtree(folder)
    print(f"{options.rows:,} rows, medians of {options.rounds} rounds")
    for yardstick, rates in yardsticks.items():
        print(f"{yardstick:20} {statistics.median(rates):>10,.0f} rows/s")
    for call, results in found.items():
        rate, cpu, _ = (statistics.median(column) for column in zip(*results, strict=True))
        peak = max(result.peak_bytes for result in results)
        print(
            f"{call:20} {rate:>10,.0f} rows/s  {rate / statistics.median(database_alone):5.2f} of the database alone"
            f"  {cpu:5.1f} µs of CPU a row  {peak / 1e6:4.0f} MB"
        )
    print(f"GET /email/message/ during a replace: p99 {statistics.median(waits) * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
