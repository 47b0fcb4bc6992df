"""Child processes: started, watched, started again when they die, and ended with their parent."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger()

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.1
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0
# A child that has lived this long has started well; its next death is answered at once again.
_SETTLED_SECONDS = 30.0


def end_with_parent(parent: int, signal_number: int = signal.SIGTERM) -> None:
    """Ask the kernel to send this process a signal when its parent dies, however it dies (prctl(2)).

    `parent` is the process id that is expected: if that one is dead already, this process ends here.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:
        sys.exit("the parent process is gone")


@dataclass(slots=True)
class Child:
    """A child process: its name in the log, its arguments after `sendmill`, and how it fares."""

    name: str
    arguments: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = _FIRST_PAUSE
    start_after: float = field(default=0.0)


class Supervisor:
    """Keeps its children running until SIGTERM or SIGINT, then lets them finish."""

    def __init__(self, children: Sequence[Child], grace_seconds: float) -> None:
        self._children = children
        self._grace = grace_seconds
        self._stopping = False

    def run(self) -> int:
        """Start the children and watch them; the exit code once they have ended."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
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
            code = child.process.poll()
            if code is None:
                return
            if now - child.started > _SETTLED_SECONDS:
                child.pause = _FIRST_PAUSE
            log.error("child.died", child=child.name, exit_code=code, restart_in_seconds=child.pause)
            child.process = None
            child.start_after = now + child.pause
            child.pause = min(child.pause * 2, _LONGEST_PAUSE)
        if now >= child.start_after:
            arguments = [sys.executable, "-m", "sendmill.cli", *child.arguments, "--parent", str(os.getpid())]
            child.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL)
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
            try:
                code = child.process.wait(max(0.1, deadline - time.monotonic()))
                unclean |= code != 0
            except subprocess.TimeoutExpired:
                log.error("child.killed", child=child.name, after_seconds=self._grace)
                child.process.kill()
                child.process.wait()
                unclean = True
        return 1 if unclean else 0
