"""Procrastinate's jobs on PostgreSQL: each thing once, whoever finds it; lost and failed ones again."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from sendmill.delivery.tasks import Task
from tests.end_to_end.waiting import wait_for

if connection.vendor != "postgresql":
    pytest.skip(
        "Procrastinate has no tables on SQLite, where the process does its work itself", allow_module_level=True
    )

from sendmill.delivery import job_queue
from sendmill.delivery.job_queue import JobQueue

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lost jobs are looked for at once; no job is left to the next test."""
    monkeypatch.setattr(job_queue, "LOOK_FOR_LOST_SECONDS", 0.1)
    monkeypatch.setattr(job_queue, "POLL_SECONDS", 0.2)
    monkeypatch.setattr(job_queue, "RESTART_SECONDS", 0.1)
    execute("DELETE FROM procrastinate_jobs")
    yield
    execute("DELETE FROM procrastinate_jobs")


def execute(sql: str, *parameters: object) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []


def queue_of(run: Callable[[int], bool], stop: threading.Event) -> tuple[Task, JobQueue]:
    task = Task("count", lambda: [], run)
    return task, JobQueue({"tests": (2, [task])}, stop)


def no_jobs() -> bool:
    return not execute("SELECT 1 FROM procrastinate_jobs")


def test_what_two_nodes_find_is_done_once() -> None:
    done: list[int] = []
    go_on = threading.Event()

    def run(number: int) -> bool:
        go_on.wait(10)
        done.append(number)
        return False

    stop = threading.Event()
    (task, first), (_, second) = queue_of(run, stop), queue_of(run, stop)
    first.enqueue(task, [1, 2])
    second.enqueue(task, [2, 3])
    with first, second:
        wait_for(lambda: len(execute("SELECT 1 FROM procrastinate_jobs WHERE status = 'doing'")) == 3)
        second.enqueue(task, [1, 2, 3])  # they are being done
        go_on.set()
        wait_for(no_jobs)
        first.enqueue(task, [1])
        wait_for(lambda: len(done) == 4)
        wait_for(no_jobs)
    assert Counter(done) == {1: 2, 2: 1, 3: 1}
    assert not first.has_failed and not second.has_failed


def test_the_job_of_a_node_that_is_gone_is_done_by_another() -> None:
    done = threading.Event()

    def run(_number: int) -> bool:
        done.set()
        return False

    task, queue = queue_of(run, threading.Event())
    queue.enqueue(task, [1])
    [(worker,)] = execute("SELECT worker_id FROM procrastinate_register_worker_v1()")
    execute("SELECT procrastinate_fetch_job_v2(NULL, %s)", worker)
    with queue:
        assert not done.wait(0.5), "it lives"
        execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '16 s' WHERE id = %s", worker)
        assert done.wait(10)
        wait_for(no_jobs)


def test_a_database_that_cuts_every_connection_does_not_end_the_service() -> None:
    """Also the job that was running then is not kept for ever, though its end could not be stored."""
    done: list[int] = []

    def run(number: int) -> bool:
        if not done:
            execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                    "AND datname = current_database()")  # fmt: skip
        done.append(number)
        return False

    task, queue = queue_of(run, threading.Event())
    queue.enqueue(task, [1])
    connection.close()
    with queue:
        wait_for(lambda: done)
        wait_for(no_jobs, 30)
        queue.enqueue(task, [2])
        wait_for(lambda: 2 in done)
        wait_for(no_jobs)
    assert not queue.has_failed


def test_one_that_fails_is_tried_again_later() -> None:
    tried: list[int] = []

    def run(number: int) -> bool:
        tried.append(number)
        if len(tried) == 1:
            raise ValueError("the first time")
        return len(tried) < 4  # and then there is more to do

    task, queue = queue_of(run, threading.Event())
    queue.enqueue(task, [7])
    with queue:
        wait_for(lambda: len(tried) == 4)
        wait_for(no_jobs)
    assert tried == [7] * 4
