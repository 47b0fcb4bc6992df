"""The scheduler's turns: nobody waits for another's end, and an outage of the database is waited for."""

import threading
from collections.abc import Sequence

import pytest
from django.db import OperationalError

from sendmill.delivery import scheduler
from sendmill.delivery.scheduler import Scheduler, run_here
from sendmill.delivery.tasks import Task


def test_a_piece_of_each_in_turn() -> None:
    left = {1: 3, 2: 1, 3: 2}
    order: list[int] = []

    def run(number: int) -> bool:
        order.append(number)
        left[number] -= 1
        return left[number] > 0

    task = Task("expand", lambda: list(left), run)
    assert not run_here(threading.Event())(task, [1, 2, 3])
    assert order == [1, 2, 3, 1, 3, 1]


def test_one_that_has_much_to_do_lets_the_others_have_their_turn() -> None:
    order: list[str] = []

    def task(name: str, pieces: int) -> Task:
        def run(_number: int) -> bool:
            order.append(name)
            return order.count(name) < pieces

        return Task(name, lambda: [1] if order.count(name) < pieces else [], run)

    stop = threading.Event()
    here = run_here(stop)
    turns = Scheduler(stop, [(task("long", 50), here), (task("short", 1), here)])
    assert turns.tick() and order == ["long"] * scheduler.ROUNDS + ["short"]
    assert turns.tick()
    assert not turns.tick()
    assert order.count("long") == 50 and order.count("short") == 1


def test_what_fails_holds_up_nothing_else_and_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def run(number: int) -> bool:
        tried.append(number)
        if number == 1:
            raise ValueError("a fault of this program")
        return False

    here, task = run_here(threading.Event()), Task("start", lambda: [1, 2], run)
    assert not here(task, [1, 2])
    assert not here(task, [1, 2])
    assert tried == [1, 2, 2]
    monkeypatch.setattr(scheduler, "FAULTY_SECONDS", 0.0)
    here = run_here(threading.Event())
    here(task, [1])
    here(task, [1])
    assert tried[3:] == [1, 1]


def test_stop_ends_a_turn_in_its_middle() -> None:
    stop = threading.Event()
    done: list[int] = []

    def run(number: int) -> bool:
        done.append(number)
        stop.set()
        return True

    assert not run_here(stop)(Task("any", lambda: [], run), [1, 2])
    assert done == [1]


def test_what_is_seldom_looked_for_is_not_looked_for_again_at_once() -> None:
    looks: list[int] = []

    def find() -> Sequence[int]:
        looks.append(1)
        return []

    stop = threading.Event()
    turns = Scheduler(stop, [(Task("purge", find, lambda _number: False, every_seconds=3_600), run_here(stop))])
    turns.tick()
    turns.tick()
    assert looks == [1]


def test_an_outage_ends_the_tick_and_not_the_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    monkeypatch.setattr(stop, "wait", lambda _seconds: False)
    answers = iter([OperationalError("the database is gone"), [7]])
    done: list[int] = []

    def find() -> Sequence[int]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def run(number: int) -> bool:
        done.append(number)
        return False

    turns = Scheduler(stop, [(Task("start", find, run), run_here(stop))])
    assert not turns.tick() and done == []
    turns.tick()
    assert done == [7]
