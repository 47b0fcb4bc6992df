"""What every node looks for: erasures that there is something left to do of."""

from sendmill.delivery.tasks import Task
from sendmill.people.erasing import Step, take_step, unfinished

SECONDS_BETWEEN = 2.0


def erasure_tasks() -> list[Task]:
    """What any node may do."""
    return [Task("erase people", unfinished, lambda number: take_step(number) == Step.MORE, SECONDS_BETWEEN)]
