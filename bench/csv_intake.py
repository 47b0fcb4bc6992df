"""How fast CSV becomes contacts, beside `csv.reader` alone on the same file in the same run; and its peak memory.

    .venv/bin/python bench/csv_intake.py

CPU seconds, the best of five, so that other work on the machine matters little. Peak memory is what a fresh process
has grown by while it reads.
"""

import csv
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

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


def growth_in_megabytes(path: Path) -> float:
    """By how much a process of its own grows at most while it reads `path`."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with_sendmill(path)
        growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        os.write(writing, str(growth / 1024).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return float(os.read(reading, 100))


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
            print(f"peak memory        {growth_in_megabytes(path):6.1f} MB more with {rows:,} rows")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
