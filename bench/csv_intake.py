"""How fast CSV becomes contacts, beside `csv.reader` alone on the same file in the same run; and peak memory.

    .venv/bin/python bench/csv_intake.py

Reading: CPU seconds, the best of five, so that other work on the machine matters little. Importing, into the database
that the settings name (a new SQLite file unless SENDMILL_DATABASE_URL is set): a whole bulk replace by the clock.
Peak memory is what a process of its own has grown by.
"""

import csv
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sendmill.contacts.csv_encoding import detect_encoding
from sendmill.contacts.csv_reader import open_contacts

ROWS = (10_000, 500_000)
REPEATS = 5


def write_list(path: Path, rows: int, name: str) -> None:
    """A list of five columns, about 60 bytes a row."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "email", "city", "plan", "visits"])
        for number in range(rows):
            writer.writerow([f"{name} {number}", f"person{number}@example.com", "Berlin", "gold", number % 97])


def with_csv_reader(path: Path) -> int:
    with path.open(encoding="utf-8", newline="") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def with_sendmill(path: Path) -> int:
    with path.open("rb") as file:
        batches = open_contacts(file, email_index=1, name_index=0).batches()
        return sum(len(batch.contacts) for batch in batches)


def scan(path: Path) -> int:
    with path.open("rb") as file:
        detect_encoding(file)
        return file.tell()


def cpu_seconds(read: Callable[[Path], int], path: Path) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        start = time.process_time()
        read(path)
        best = min(best, time.process_time() - start)
    return best


class Cost(NamedTuple):
    """What a process of its own needed for something: wall clock, and its growth in megabytes."""

    seconds: float
    megabytes: float


def cost_of(act: Callable[[Path], object], path: Path, prepare: Callable[[], object] = lambda: None) -> Cost:
    """The cost of `act(path)` after `prepare()`, in a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        prepare()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        act(path)
        seconds = time.perf_counter() - start
        growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        os.write(writing, f"{seconds} {growth / 1024}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    seconds_text, megabytes = os.read(reading, 100).split()
    return Cost(float(seconds_text), float(megabytes))


def prepare_database() -> None:
    """Django, the tables, and one small import, so that everything is loaded."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "sendmill.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    small = Path(os.environ["SENDMILL_DATA"]) / "small.csv"
    write_list(small, 10, "Person")
    import_list(small)


def import_list(path: Path) -> None:
    from sendmill.accounts.models import Client
    from sendmill.contacts.groups import add_group
    from sendmill.contacts.importer import run_import
    from sendmill.contacts.models import ImportKind

    client = Client.objects.create(name="Benchmark")
    group = add_group(client, tag="Benchmark")
    with path.open("rb") as file:
        run_import(client, ImportKind.REPLACE, group, file, email_index=1, name_index=0)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = {rows: Path(folder) / f"{rows}.csv" for rows in ROWS}
        for rows, path in paths.items():
            write_list(path, rows, "Person")
        path = paths[max(ROWS)]
        assert with_csv_reader(path) == with_sendmill(path) == max(ROWS)
        plain = cpu_seconds(with_csv_reader, path) / max(ROWS)
        ours = cpu_seconds(with_sendmill, path) / max(ROWS)
        print(f"csv.reader alone   {plain * 1e6:6.2f} µs of CPU a row")
        print(f"open_contacts      {ours * 1e6:6.2f} µs of CPU a row, {1 / ours:,.0f} rows/s")
        print(f"ratio              {plain / ours:6.2f} of csv.reader's rate")
        for name in ("Person", "Përsön"):
            write_list(path, max(ROWS), name)
            size = path.stat().st_size
            rate = size / cpu_seconds(scan, path) / 1e9
            print(f"encoding pass      {rate:6.2f} GB/s ({'ASCII' if name.isascii() else 'letters beyond ASCII'})")
        for rows, path in paths.items():
            print(f"reading            {cost_of(with_sendmill, path).megabytes:6.1f} MB more memory for {rows:,} rows")
        for rows, path in paths.items():
            os.environ["SENDMILL_DATA"] = str(path.with_suffix(""))
            cost = cost_of(import_list, path, prepare_database)
            rate = rows / cost.seconds
            print(f"importing          {cost.megabytes:6.1f} MB more memory for {rows:,} rows, {rate:,.0f} rows/s")


if __name__ == "__main__":
    main()
