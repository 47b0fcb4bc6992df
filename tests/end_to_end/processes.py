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
        # proc(5): after the command in brackets, which may hold anything, come state, parent, group and session.
        state, parent, _, its_session = stat.rpartition(")")[2].split()[:4]
        if int(its_session) == session and state != "Z":
            found.append(Process(int(folder.name), int(parent), command))
    return sorted(found, key=lambda process: process.pid)


def kill_session(session: int) -> None:
    """SIGKILL to every process of the session, its leader first, so that nobody replaces the others."""
    try:
        os.kill(session, signal.SIGKILL)
    except ProcessLookupError:
        pass

    def is_empty() -> bool:
        living = processes_of_session(session)
        for process in living:
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return not living

    wait_for(is_empty, timeout=10, what=lambda: f"the end of {processes_of_session(session)}")
