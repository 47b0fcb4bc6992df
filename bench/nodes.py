"""Many delivery processes on one PostgreSQL: how throughput grows with them, and what PostgreSQL costs beside SQLite.

    .venv/bin/python -m bench.nodes scaling [--processes 1 2 4] [--delay 0.02] [--seconds 20]
    .venv/bin/python -m bench.nodes databases [--recipients 50000] [--rounds 3]
    .venv/bin/python -m bench.nodes jobs [--count 2000]

- scaling: into a sink that answers every command after `delay`, so that the machine's cores are not the limit. Printed:
  messages a second, and how often that is the rate of the first number of processes.
- databases: at full speed into smtp-sink, SQLite and PostgreSQL in turn; the ratio of the rates.
- jobs: what one job of Procrastinate's costs, queued, fetched and finished one after another, beside one claim of a
  chunk given back at once. The yardstick for what may go through the queue of jobs.

PostgreSQL is a server of this program's own, with its data on this disk and its settings for durability as they come
(fsync, full_page_writes and synchronous_commit on).
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from scripts import with_postgresql

from bench.running import RunningServer, asyncio_sink, free_port, smtp_sink
from bench.send import BODY, cpu_text, send_campaign

DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
CONNECTIONS = 20
REPLIES = 4  # of a message, pipelined, each after the delay


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cases = parser.add_subparsers(required=True, dest="case")
    scaling = cases.add_parser("scaling")
    scaling.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    scaling.add_argument("--delay", type=float, default=0.02)
    scaling.add_argument("--seconds", type=float, default=20)
    databases = cases.add_parser("databases")
    databases.add_argument("--recipients", type=int, default=50_000)
    databases.add_argument("--rounds", type=int, default=3)
    jobs = cases.add_parser("jobs")
    jobs.add_argument("--count", type=int, default=2_000)
    options = parser.parse_args()
    with postgresql() as cluster:
        if options.case == "scaling":
            measure_scaling(cluster, options.processes, options.delay, options.seconds)
        elif options.case == "databases":
            compare_databases(cluster, options.recipients, options.rounds)
        else:
            measure_jobs(cluster, options.count)


def measure_scaling(cluster: str, numbers: list[int], delay: float, seconds: float) -> None:
    first = 0.0
    for number in numbers:
        messages = int(number * CONNECTIONS / (REPLIES * delay) * seconds)
        with asyncio_sink("--delay", str(delay)) as port:
            rate, cpu = send(f"smtp://127.0.0.1:{port}?tls=none&connections={CONNECTIONS}", messages, number, cluster)
        first = first or rate
        print(
            f"{number} processes: {rate:7,.0f}/s, {rate / first:.2f} times, CPU a message {cpu_text(cpu, messages)}",
            flush=True,
        )


def compare_databases(cluster: str, recipients: int, rounds: int) -> None:
    ratios = []
    for number in range(1, rounds + 1):
        rates = []
        for database in ("", cluster):
            with smtp_sink() as port:
                rate, cpu = send(f"smtp://127.0.0.1:{port}?tls=none", recipients, os.cpu_count() or 1, database)
            rates.append(rate)
            print(
                f"round {number}, {'PostgreSQL' if database else 'SQLite'}: {rate:,.0f}/s, CPU a message "
                f"{cpu_text(cpu, recipients)}",
                flush=True,
            )
        ratios.append(rates[1] / rates[0])
    print(f"median ratio of PostgreSQL to SQLite {statistics.median(ratios):.2f}")


def measure_jobs(cluster: str, count: int) -> None:
    """In a process of its own, for Django reads its settings once."""
    with new_database(cluster) as url, tempfile.TemporaryDirectory(prefix="sendmill-bench-") as folder:
        environment = {**os.environ, "SENDMILL_DATABASE_URL": url, "SENDMILL_DATA": folder}
        subprocess.run([sys.executable, "-m", "sendmill.cli", "migrate"], env=environment, check=True)
        subprocess.run([sys.executable, "-m", "bench.job_cost", str(count)], env=environment, check=True)


def send(smtp_url: str, messages: int, processes: int, cluster: str) -> tuple[float, dict[str, float]]:
    """Messages a second from a campaign's start to its completion, and CPU seconds by role. No `cluster`: SQLite."""
    with new_database(cluster) as url, tempfile.TemporaryDirectory(prefix="sendmill-bench-") as folder:
        settings = {"SENDMILL_WORKERS": str(processes), "SENDMILL_DATABASE_URL": url}
        with RunningServer(Path(folder), free_port(), smtp_url, settings) as server:
            seconds, cpu = send_campaign(server, messages, BODY)
    return messages / seconds, cpu


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of a running server."""
    folder = Path(tempfile.mkdtemp(prefix="sendmill-postgresql-"))
    with_postgresql.initialise(folder)
    server, port = with_postgresql.start(folder, **DURABLE)
    try:
        yield f"postgresql://sendmill@127.0.0.1:{port}"
    finally:
        with_postgresql.stop(server)
        shutil.rmtree(folder)


@contextmanager
def new_database(cluster: str) -> Iterator[str]:
    """The address of an empty database on it; nothing for no cluster."""
    if not cluster:
        yield ""
        return
    with psycopg.connect(f"{cluster}/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE bench")
        try:
            yield f"{cluster}/bench"
        finally:
            connection.execute("DROP DATABASE bench WITH (FORCE)")


if __name__ == "__main__":
    main()
