"""The processes of one session, as the kernel lists them."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.waiting import wait_for


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    name: str
    command: str


def processes_of_session(session: int) -> list[Process]:
    """Every living process of this session, oldest pid first. A zombie is not living."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            stat = (folder / "stat").read_text()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        # proc(5): after the name in brackets, which may hold anything, come state, parent, group and session.
        name = stat.partition("(")[2].rpartition(")")[0]
        state, parent, _, its_session = stat.rpartition(")")[2].split()[:4]
        if int(its_session) == session and state != "Z":
            found.append(Process(int(folder.name), int(parent), name, command))
    return sorted(found, key=lambda process: process.pid)


def kill_session(session: int) -> None:
    """SIGKILL to every process of the session, as a power cut would end it: nobody learns of another's death.

    The leader is frozen meanwhile, so that it neither replaces the others nor, by dying first, has them warned.
    """
    _signal(session, signal.SIGSTOP)

    def only_the_leader_lives() -> bool:
        others = [process.pid for process in processes_of_session(session) if process.pid != session]
        for pid in others:
            _signal(pid, signal.SIGKILL)
        return not others

    wait_for(only_the_leader_lives, 10, lambda: f"the end of {processes_of_session(session)}")
    _signal(session, signal.SIGKILL)
    wait_for(lambda: not processes_of_session(session), 10, lambda: f"the end of {processes_of_session(session)}")


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
