"""Jobs on PostgreSQL: what the nodes find to do is queued with Procrastinate, and each node takes some of it.

    every node's scheduler finds → enqueue, unless it is queued or being done → some node's `JobQueue` runs it

A job is a piece of work that the tables ask for anyway (`tasks`), so that none can be lost for good: one that
vanishes is found again. One whose node died, hangs or is cut off is put back when that node's heartbeat has been
missing for `SILENCE_SECONDS`; one that fails is tried again later. The job of a node that was only slow is then done
twice, which does no harm.

What sends is not in this queue: a first-in-first-out queue knows nothing of limits, relays and fair turns
(docs/architecture.md has the reasons and the figures).
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any

import procrastinate
import psycopg
import structlog
from django.db import Error as DatabaseError
from django.db import OperationalError, connection
from procrastinate import jobs
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException

from sendmill.delivery.tasks import Task

log = structlog.get_logger()

HEARTBEAT_SECONDS = 4.0
SILENCE_SECONDS = 15.0
# With the heartbeat before a death and a look after it, a lost job is run again within 30 s.
LOOK_FOR_LOST_SECONDS = 5.0
# Jobs are announced (LISTEN); this is for those that are to be tried again later.
POLL_SECONDS = 2.0
# A job ends after so long even if there is more to do: it is found again, and others have had their turn.
TURN_SECONDS = 5.0
RESTART_SECONDS = 1.0
RETRY = procrastinate.RetryStrategy(wait=1, linear_wait=5)


class JobQueue:
    """Queues what this node finds and, in a thread, does what any node has queued; `with` starts and ends that.

    `queues` are tasks by the name of their queue, each with how many jobs of it are done at a time.
    """

    def __init__(self, queues: Mapping[str, tuple[int, Sequence[Task]]], stop: threading.Event) -> None:
        self.has_failed = False
        self._queues = queues
        self._stop = stop
        self._sender = self._application(DjangoConnector())
        self._thread = threading.Thread(target=self._run, name="jobs")

    def __enter__(self) -> "JobQueue":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def enqueue(self, task: Task, numbers: Sequence[int]) -> bool:
        """A `scheduler.HaveDone`: queue the task for each number for which it isn't queued or being done."""
        wanted = {f"{task.name}:{number}": number for number in numbers}
        pending = ProcrastinateJob.objects.filter(queueing_lock__in=list(wanted), status__in=("todo", "doing"))
        for lock in pending.values_list("queueing_lock", flat=True):
            wanted.pop(str(lock), None)  # it may be both: two nodes found it at once
        for lock, number in wanted.items():
            try:
                self._sender.configure_task(task.name, queueing_lock=lock).defer(number=number)
            except AlreadyEnqueued:
                pass  # another node was quicker
            except ConnectorException as error:
                raise OperationalError(_reason(error)) from error
        return False

    def _application(self, connector: procrastinate.BaseConnector) -> procrastinate.App:
        application = procrastinate.App(connector=connector)
        for queue, (_, tasks) in self._queues.items():
            for task in tasks:
                application.task(name=task.name, queue=queue, retry=RETRY)(self._job(task))
        return application

    def _job(self, task: Task) -> Callable[[int], None]:
        def run(number: int) -> None:
            ends = time.monotonic() + TURN_SECONDS
            try:
                while task.run(number) and not self._stop.is_set() and time.monotonic() < ends:
                    pass
            except DatabaseError as error:
                log.error("job.database_error", task=task.name, number=number, error=str(error).strip())
                connection.close()
            except Exception:
                log.exception("job.failed", task=task.name, number=number)
                raise

        return run

    def _run(self) -> None:
        """Serve until stopped. Whatever ends the service, for one an outage of the database, it begins anew."""
        try:
            while not self._stop.is_set():
                asyncio.run(self._serve())
                if not self._stop.wait(RESTART_SECONDS):
                    log.warning("jobs.begun_anew")
        finally:
            self.has_failed = not self._stop.is_set()
            self._stop.set()

    async def _serve(self) -> None:
        connector = procrastinate.PsycopgConnector(kwargs=connector_params(), min_size=1, max_size=4, timeout=10.0)
        application = self._application(connector)
        ended = asyncio.Event()
        # A worker that can't store how its job ended tells nobody but the event loop, and would keep that job for ever.
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: ended.set())
        try:
            async with application.open_async():
                await _until_one_ends(
                    self._until_stopped(),
                    ended.wait(),
                    _keep_retrying_lost(application),
                    *(_serve_queue(application, name, at_a_time) for name, (at_a_time, _) in self._queues.items()),
                )
        except (ConnectorException, psycopg.Error) as error:
            log.error("jobs.database_error", error=_reason(error))

    async def _until_stopped(self) -> None:
        while not self._stop.is_set():
            await asyncio.sleep(0.1)


async def _serve_queue(application: procrastinate.App, queue: str, at_a_time: int) -> None:
    await application.run_worker_async(
        queues=[queue],
        name=queue,
        concurrency=at_a_time,
        fetch_job_polling_interval=POLL_SECONDS,
        update_heartbeat_interval=HEARTBEAT_SECONDS,
        stalled_worker_timeout=SILENCE_SECONDS,
        delete_jobs=jobs.DeleteJobCondition.ALWAYS,
        install_signal_handlers=False,
    )


async def _keep_retrying_lost(application: procrastinate.App) -> None:
    """Put the jobs of workers that are gone back into the queue. Every node does, all the time."""
    while True:
        await asyncio.sleep(LOOK_FOR_LOST_SECONDS)
        for job in await application.job_manager.get_stalled_jobs(seconds_since_heartbeat=SILENCE_SECONDS):
            try:
                await application.job_manager.retry_job(job)
            except ConnectorException as error:
                # Another node was quicker, or has queued the same again meanwhile.
                log.info("job.not_retried", task=job.task_name, error=_reason(error))
                continue
            log.warning("job.lost", task=job.task_name, **job.task_kwargs)


async def _until_one_ends(*parts: Coroutine[Any, Any, object]) -> None:
    """Run the parts until the first has ended, end the others, and raise what one of them has raised."""
    tasks = [asyncio.create_task(part) for part in parts]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


def _reason(error: BaseException) -> str:
    """What the database said, in one line."""
    text = str(error.__cause__ or error).strip()
    return text.splitlines()[0] if text else type(error).__name__
