"""Who holds a chunk: an owner id names a machine's data folder, a process, and the moment that process began.

A process id alone is used again by the system; with its start time (field 22 of /proc/PID/stat, proc(5)) it is not.
So whether an owner of this machine still lives is a question of one small file, and what a dead one held is released
at once, without waiting for its lease.
"""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that may hold chunks. `str()` of it is what the database stores."""

    node: str
    pid: int
    started: int

    def __str__(self) -> str:
        return f"{self.node}:{self.pid}:{self.started}"

    @classmethod
    def parse(cls, text: str) -> "Owner":
        """The owner that `str()` wrote. Raises ValueError for anything else."""
        node, pid, started = text.split(":")
        return cls(node, int(pid), int(started))

    def is_alive(self) -> bool:
        """Whether the process still runs. Only meaningful on the owner's own machine."""
        return _start_time(self.pid) == self.started


def node_id(data_folder: Path) -> str:
    """This machine's id since it booted: 12 hex digits kept in the data folder, and 8 of the kernel's boot id.

    After a power cut the same machine is another one: its journals lay in the page cache, so what they don't name may
    have left all the same, and everything that was marked is in doubt.
    """
    path = data_folder / "node-id"
    if not path.exists():
        draft = path.with_name(f"node-id.{os.getpid()}.{secrets.token_hex(4)}")
        draft.write_text(secrets.token_hex(6))
        try:
            # Linked and not renamed: of several processes that start at once, exactly one id wins.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip() + _BOOT_ID.read_text()[:8]


def this_process(data_folder: Path) -> Owner:
    """The owner id of the calling process."""
    started = _start_time(os.getpid())
    return Owner(node_id(data_folder), os.getpid(), started or 0)


def _start_time(pid: int) -> int | None:
    """When process `pid` began, in clock ticks since boot; None if there is none or it is a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The command name, field 2, is in parentheses and may hold anything: the rest begins after the last one.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])
