"""The scheduler: looks again and again for what there is to do (`tasks`), and has it done.

Every node runs one. That a thing happens once, whatever the number of nodes, is the business of the task's own
transactions.
"""

import threading
import time
from collections.abc import Callable, Sequence

import structlog
from django.db import Error as DatabaseError
from django.db import connection

from sendmill.delivery.tasks import Task

log = structlog.get_logger()

TICK_SECONDS = 0.1
# After so many rounds over what was found, the other tasks get their turn.
ROUNDS = 20
FAULTY_SECONDS = 60.0

HaveDone = Callable[[Task, Sequence[int]], bool]
"""Has a task done for the numbers that it found; whether the next look should follow at once."""


class Scheduler:
    """Looks for each of the `tasks` until `stop` is set. Each stands with how it is done."""

    def __init__(self, stop: threading.Event, tasks: Sequence[tuple[Task, HaveDone]]) -> None:
        self._stop = stop
        self._tasks = tasks
        self._last_done: dict[str, float] = {}

    def run(self) -> None:
        """Tick until stopped."""
        while not self._stop.is_set():
            if not self.tick():
                self._stop.wait(TICK_SECONDS)
        connection.close()

    def tick(self) -> bool:
        """Look for every task that is due; whether one of them has more to do."""
        more = False
        for task, have_done in self._tasks:
            if self._stop.is_set():
                return False
            if time.monotonic() - self._last_done.get(task.name, float("-inf")) < task.every_seconds:
                continue
            try:
                found = task.find()
                has_more = bool(found) and have_done(task, found)
            except DatabaseError as error:
                # A database that is down or full is waited for: nothing is lost meanwhile.
                log.error("scheduler.database_error", task=task.name, error=str(error).strip())
                connection.close()
                self._stop.wait(1.0)
                return False
            more |= has_more
            if not has_more:
                self._last_done[task.name] = time.monotonic()
        return more


def run_here(stop: threading.Event) -> HaveDone:
    """Has things done in this process: a piece of each in turn, so that none waits for another's end.

    What fails for another reason than the database is a fault of this program. It is left alone for a while: one
    campaign or import that can't be worked on must not hold up all others, nor end the process again and again.
    """
    left_until: dict[tuple[str, int], float] = {}

    def run(task: Task, number: int) -> bool:
        if stop.is_set() or time.monotonic() < left_until.get((task.name, number), 0.0):
            return False
        try:
            return task.run(number)
        except DatabaseError:
            raise
        except Exception:  # whatever it is, the others go on
            log.exception("scheduler.unexpected_error", task=task.name, number=number)
            left_until[task.name, number] = time.monotonic() + FAULTY_SECONDS
            return False

    def have_done(task: Task, numbers: Sequence[int]) -> bool:
        for _ in range(ROUNDS):
            numbers = [number for number in numbers if run(task, number)]
            if not numbers:
                return False
        return True

    return have_done
