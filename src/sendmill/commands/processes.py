"""Child processes: started, watched, started again when they die, and ended with their parent.

They are forked and not begun anew, so each has what its parent has loaded already: five processes of a server start in
1.5 s of CPU instead of 4.3, and share that memory. The parent must have no thread and no connection when it forks, and
does nothing but watch afterwards.
"""

import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkProcess

import structlog
from django.db import connections

from sendmill.commands.reporting import exit_code

log = structlog.get_logger()

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
# SIGHUP comes when a terminal is closed, to every process of its session.
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_POLL_SECONDS = 0.1
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0
# A child that has lived this long has started well; its next death is answered at once again.
_SETTLED_SECONDS = 30.0


@dataclass(slots=True)
class Child:
    """A child process: its name, in the log and for `top` and `pgrep`; what it does; and how it fares."""

    name: str
    main: Callable[[], int]
    process: ForkProcess | None = None
    started: float = 0.0
    pause: float = _FIRST_PAUSE
    start_after: float = field(default=0.0)


class Supervisor:
    """Keeps its children running until SIGTERM, SIGINT or SIGHUP, then lets them finish."""

    def __init__(self, children: Sequence[Child], grace_seconds: float) -> None:
        self._children = children
        self._grace = grace_seconds
        self._stopping = False

    def run(self) -> int:
        """Start the children and watch them; the exit code once they have ended."""
        connections.close_all()
        gc.freeze()  # the collector would write to, and so copy, the memory that children share
        for number in _STOPPING:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup(1)
                signal.signal(number, self._on_signal)
        while not self._stopping:
            for child in self._children:
                self._keep_running(child)
            time.sleep(_POLL_SECONDS)
        return self._end_children()

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _keep_running(self, child: Child) -> None:
        now = time.monotonic()
        if child.process is not None:
            code = child.process.exitcode
            if code is None:
                return
            if now - child.started > _SETTLED_SECONDS:
                child.pause = _FIRST_PAUSE
            log.error("child.died", child=child.name, exit_code=code, restart_in_seconds=child.pause)
            child.process = None
            child.start_after = now + child.pause
            child.pause = min(child.pause * 2, _LONGEST_PAUSE)
        if now >= child.start_after:
            child.process = _forked(child)
            child.started = now

    def _end_children(self) -> int:
        running = [child for child in self._children if child.process is not None]
        for child in running:
            if child.process is not None:
                child.process.terminate()
        deadline = time.monotonic() + self._grace
        unclean = False
        for child in running:
            if child.process is None:
                continue
            child.process.join(max(0.1, deadline - time.monotonic()))
            if child.process.exitcode is None:
                log.error("child.killed", child=child.name, after_seconds=self._grace)
                child.process.kill()
                child.process.join()
            unclean |= child.process.exitcode != 0
        return 1 if unclean else 0


def _forked(child: Child) -> ForkProcess:
    process = multiprocessing.get_context("fork").Process(target=_be, args=(child, os.getpid()), name=child.name)
    # Until the child has put back what signals do, they wait: its parent's answer to them is not its own.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
    return process


def _be(child: Child, parent: int) -> None:
    """The child's whole life."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # its parent answers it with SIGTERM
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
    ctypes.CDLL(None).prctl(_PR_SET_NAME, child.name.encode())
    _end_with(parent)
    sys.exit(exit_code(child.main))


def end_forks_with_this() -> None:
    """Have the processes that this one will fork, and those that they fork, end with their parent."""
    forking = os.getpid()

    def note_parent() -> None:
        nonlocal forking
        forking = os.getpid()

    os.register_at_fork(before=note_parent, after_in_child=lambda: _end_with(forking))


def _end_with(parent: int) -> None:
    """The kernel ends this process when its parent dies (prctl(2)), unless it has died already."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)
