"""The scheduler's process: what looks for work, and what does it, on either database."""

import fcntl
import threading
from contextlib import ExitStack
from pathlib import Path

from django.conf import settings
from django.db import connection

from sendmill.delivery.leases import LeaseWatch
from sendmill.delivery.owner import node_id
from sendmill.delivery.recovery import Recoverer
from sendmill.delivery.scheduler import Scheduler, run_here
from sendmill.delivery.tasks import Task, campaign_tasks, import_tasks, node_tasks
from sendmill.people.tasks import erasure_tasks
from sendmill.web.password_mail import password_tasks

CAMPAIGN_JOBS = 2
"""So many campaigns are started, expanded and closed by one node at a time."""

LOCK_SECONDS = 1.0
MAILING_SECONDS = 5.0
"""So long the end waits for a mail under way. One that is cut off is sent by whoever runs next."""


def schedule(stop: threading.Event, data_folder: Path) -> int:
    """Look for work and do it until `stop` is set; the exit code.

    On PostgreSQL what is found becomes jobs, and a thread of this process takes its part of all nodes' jobs. Imports
    have a queue, or on SQLite a thread, of their own: they take long, and campaigns don't wait for them.
    """
    recoverer = Recoverer(
        node=node_id(data_folder),
        journals=data_folder / "journals",
        retry_seconds=settings.SENDMILL_RETRY_SECONDS,
        in_doubt=settings.SENDMILL_IN_DOUBT,
        watch=LeaseWatch(settings.SENDMILL_LEASE_SECONDS),
    )
    own, campaigns = node_tasks(recoverer), [*campaign_tasks(stop), *erasure_tasks()]
    imports = import_tasks(stop, Path(settings.FILE_UPLOAD_TEMP_DIR))
    # A mail server that doesn't answer holds up nothing else.
    mailing = _Beside(stop, "mail", Scheduler(stop, [(task, run_here(stop)) for task in password_tasks()]))
    mailing.start()
    if connection.vendor == "postgresql":
        code = _with_jobs(stop, own, {"campaigns": (CAMPAIGN_JOBS, campaigns), "imports": (1, imports)})
    else:
        code = _without_jobs(stop, [*own, *campaigns], imports, data_folder)
    mailing.join(MAILING_SECONDS)
    return code or int(mailing.has_failed and not mailing.is_alive())


def _with_jobs(stop: threading.Event, own: list[Task], queues: dict[str, tuple[int, list[Task]]]) -> int:
    from sendmill.delivery.job_queue import JobQueue

    with JobQueue(queues, stop) as job_queue:
        found = [(task, job_queue.enqueue) for _, tasks in queues.values() for task in tasks]
        Scheduler(stop, [*((task, run_here(stop)) for task in own), *found]).run()
    return 1 if job_queue.has_failed else 0


def _without_jobs(stop: threading.Event, tasks: list[Task], imports: list[Task], data_folder: Path) -> int:
    here = run_here(stop)
    # One process of the machine at a time: of several that have the same database, one that takes another's import over
    # would only begin it anew.
    importing = _Beside(
        stop, "imports", Scheduler(stop, [(task, here) for task in imports]), data_folder / "imports.lock"
    )
    importing.start()
    Scheduler(stop, [(task, here) for task in tasks]).run()
    importing.join()
    return 1 if importing.has_failed else 0


class _Beside(threading.Thread):
    """A scheduler of its own for what may take long. With a lock one process of the machine at a time runs it: the
    kernel frees the lock when its process ends."""

    def __init__(self, stop: threading.Event, name: str, scheduler: Scheduler, lock: Path | None = None) -> None:
        super().__init__(name=name, daemon=True)
        self.has_failed = True
        self._stop_event = stop
        self._scheduler = scheduler
        self._lock = lock

    def run(self) -> None:
        """Until stopped; if it ends otherwise, the whole process is to end."""
        try:
            with ExitStack() as held:
                if self._lock is None or self._has_locked(held.enter_context(self._lock.open("w")).fileno()):
                    self._scheduler.run()
            self.has_failed = False
        finally:
            self._stop_event.set()

    def _has_locked(self, descriptor: int) -> bool:
        """Wait for the lock; whether it is there before the end."""
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._stop_event.wait(LOCK_SECONDS):
                    return False
            else:
                return True
