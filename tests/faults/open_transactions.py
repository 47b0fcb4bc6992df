"""Which SMTP transactions are open when processes are killed or stopped, as the mail server and the kernel know it.

A transaction is open from its message's final dot until the sending process has read the reply to it. So it is still
open when the mail server has written that reply and it lies in the socket of a process that is killed: nobody has read
it, and nobody can. How much lies there the kernel tells of a frozen process, and how much was written the mail server.

One thing neither of them knows: a process may have read a reply and be frozen before it could note it, some
microseconds later. It reads one connection at a time, so that is one message of each frozen process at most, the last
one that its connection had an answer to; and none of a process that was frozen while it waited for something to read.
"""

import os
import platform
import signal
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from tests.end_to_end.smtp_sink import Conversation, ReceivedMessage, SmtpSink
from tests.end_to_end.waiting import wait_for


@dataclass(frozen=True)
class _Freeze:
    """The connections of one frozen process: how many messages the sink had taken, and what was read of its replies.

    `answered` is what the sink had answered on each connection; `read` how many of the bytes it had said were read.
    `was_waiting`: for something to read, so that it had noted all it had read.
    """

    answered: dict[int, dict[int, int]]
    read: dict[int, int]
    was_waiting: bool


@dataclass
class OpenTransactions:
    """Of the processes that a test freezes, one after the other: the numbers of messages whose reply was not read.

    `last_read` are for each process that may have been reading those whose reply was the last that a connection of it
    had read; `connections` is how many connections all had.
    """

    sink: SmtpSink
    numbers: set[int] = field(default_factory=set)
    last_read: list[set[int]] = field(default_factory=list)
    connections: int = 0
    _frozen: list[_Freeze] = field(default_factory=list)

    def freeze(self, pids: Collection[int]) -> None:
        """Stops the processes where they are (SIGSTOP), and notes what they have read."""
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        for pid in pids:
            wait_for(lambda pid=pid: is_frozen(pid), 10, f"a stopped process {pid}")
        self.note(pids)

    def note(self, pids: Collection[int]) -> None:
        """What these processes have read. They are frozen, and stay so until `close`, or for ever."""

        def look(conversations: list[Conversation]) -> None:
            for pid in pids:
                unread = unread_bytes(pid, self.sink.port)
                own = [one for one in conversations if one.client_port in unread]
                read = {one.connection: one.said - unread[one.client_port] for one in own}
                self._frozen.append(_Freeze({one.connection: one.answered for one in own}, read, is_waiting(pid)))

        self.sink.standing_still(look)

    def close(self) -> None:
        """Finds out what was open. What the frozen processes had written has arrived by now."""
        taken: dict[int, list[int]] = defaultdict(list)
        for number, message in enumerate(self.sink.messages, start=1):
            taken[message.connection].append(number)
        for frozen in self._frozen:
            self.connections += len(frozen.read)
            last_read = set()
            for connection, read in frozen.read.items():
                ends = frozen.answered[connection]
                were_read = [number for number in taken[connection] if number in ends and ends[number] <= read]
                last_read |= set(were_read[-1:])
                # One at most: a second message's content never leaves before the reply to the first is read.
                self.numbers |= set(taken[connection][len(were_read) :][:1])
            if not frozen.was_waiting:
                self.last_read.append(last_read)
        self._frozen.clear()

    def messages(self) -> list[ReceivedMessage]:
        taken = self.sink.messages
        return [taken[number - 1] for number in sorted(self.numbers)]

    def being_read(self, numbers: set[int]) -> set[int]:
        """Those of `numbers` that can only have been read and not yet noted: one of each process at most."""
        found: set[int] = set()
        for last_read in self.last_read:
            found |= set(sorted((numbers & last_read) - found)[:1])
        return found

    def repeats(self) -> int:
        """How often a message may have been repeated. Raises AssertionError for a repeat of one that was not open."""
        self.close()
        numbers: dict[str, list[int]] = defaultdict(list)
        for number, message in enumerate(self.sink.messages, start=1):
            numbers[message.recipient].append(number)
        repeated = {number for of_recipient in numbers.values() for number in of_recipient[:-1]}
        being_read = self.being_read(repeated - self.numbers)
        wrong = repeated - self.numbers - being_read
        assert not wrong, f"repeated, and their reply had been read: {sorted(wrong)} of {len(repeated)}"
        return len(self.numbers) + len(being_read)

    def told(self) -> str:
        """For the table."""
        return (
            f"{len(self.numbers)} open on {self.connections} connections; {len(self.last_read)} may have been reading"
        )

    def assert_in_doubt(self, recipients: set[str]) -> None:
        """Each of those that results call unconfirmed was open, or never came: its last bytes did not leave in time."""
        numbers = {n for n, message in enumerate(self.sink.messages, start=1) if message.recipient in recipients}
        wrong = numbers - self.numbers - self.being_read(numbers - self.numbers)
        assert not wrong, f"unconfirmed, and their reply had been read: {sorted(wrong)}"
        assert len(recipients) <= self.connections


def is_frozen(pid: int) -> bool:
    """Whether every thread of the process has stopped."""
    stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    assert stats, f"process {pid} has ended"
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


#: The system calls that wait for something to read, on the machines we know: epoll_wait, epoll_pwait, epoll_pwait2.
_WAITING = {"x86_64": {"232", "281", "441"}, "aarch64": {"22", "441"}}


def is_waiting(pid: int) -> bool:
    """Whether a frozen process's event loop had nothing to do (proc(5), syscall)."""
    number = Path(f"/proc/{pid}/syscall").read_text().split()[0]
    return number in _WAITING.get(platform.machine(), ())


def unread_bytes(pid: int, port: int) -> dict[int, int]:
    """What came on the connections of a process to `port` and was not read: its own port → bytes (proc(5), net/tcp)."""
    sockets = {str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()}
    found = {}
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, _, _, _, _, inode = line.split()[:10]
        if f"socket:[{inode}]" in sockets and int(remote.rpartition(":")[2], 16) == port:
            found[int(local.rpartition(":")[2], 16)] = int(queues.rpartition(":")[2], 16)
    return found
