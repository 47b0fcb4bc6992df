"""A worker's journal: what it was about to hand over, and what was answered, noted as it happens.

The database learns outcomes in batches. After `kill -9` the journal says which of the rows that are marked in the
database were answered (and how), which were being handed over and are in doubt, and which never left. It is read by
the machine that wrote it: it lies in a memory mapping of a file, so what is written is in the page cache at once,
without a system call (0.2 µs, where each `write` took 2.5), and outlives the process. It doesn't outlive the machine's
power, after which the database's marks speak alone.

A line is an intent, `> DELIVERY FENCE`, written before the write to the network that holds the message's last byte, or
an answer, `< {json}`. A torn last line is ignored: an intent that is not whole was never followed by its message's last
byte. What isn't written yet is NUL.

The journal is a series of segments. Each has all its room from the start: a full disk refuses the segment, and not a
line in the middle of it (for a mapping that would be SIGBUS). An old segment is deleted once everything it names has
been recorded.
"""

import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import orjson

from sendmill.delivery.owner import Owner
from sendmill.delivery.transmission import Outcome, OutcomeKind

SEGMENT_BYTES = 1_048_576


class Journal:
    """The journal that one process writes. Every method raises OSError when the disk refuses."""

    def __init__(self, folder: Path, owner: Owner) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._owner = owner
        self._segments: list[_Segment] = []
        self._segment_of: dict[int, _Segment] = {}

    def intend(self, delivery_id: int, fence: int) -> None:
        """Note that the last byte of this delivery's message is about to leave."""
        segment = self._note(b"> %d %d\n" % (delivery_id, fence))
        segment.unrecorded += 1
        self._segment_of[delivery_id] = segment

    def answer(self, outcome: Outcome, fence: int) -> None:
        """Note what became of a delivery whose intent was noted; others need no line."""
        if outcome.delivery_id in self._segment_of:
            values = [outcome.delivery_id, fence, outcome.kind.name, outcome.code, outcome.reply, outcome.relay]
            self._note(b"< %b\n" % orjson.dumps(values))

    def recorded(self, delivery_id: int) -> None:
        """The database knows this delivery's outcome (or has given the chunk to another): forget it."""
        segment = self._segment_of.pop(delivery_id, None)
        if segment is not None:
            segment.unrecorded -= 1
            while len(self._segments) > 1 and self._segments[0].unrecorded == 0:
                self._segments.pop(0).delete()

    def close(self) -> None:
        """End the journal. With nothing left unrecorded its files are deleted."""
        for segment in self._segments:
            segment.close()
        if not self._segment_of:
            for segment in self._segments:
                segment.delete()

    def _note(self, line: bytes) -> "_Segment":
        # None yet at the start: a worker that begins on a full disk waits for room like any other.
        segment = self._segments[-1] if self._segments else self._begin_segment()
        if not segment.note(line):
            segment = self._begin_segment()
            segment.note(line)
        return segment

    def _begin_segment(self) -> "_Segment":
        number = self._segments[-1].number + 1 if self._segments else 1
        segment = _Segment(self._folder / f"{_stem(self._owner)}.{number:06d}.journal", number)
        self._segments.append(segment)
        return segment


class _Segment:
    """One file of a journal, and how many of its intents the database has not heard the end of."""

    def __init__(self, path: Path, number: int) -> None:
        self.path = path
        self.number = number
        self.unrecorded = 0
        self._end = 0
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, SEGMENT_BYTES)
            self._room = mmap.mmap(descriptor, SEGMENT_BYTES)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(descriptor)

    def note(self, line: bytes) -> bool:
        """Write a line; False if it has no room here."""
        begin = self._end
        end = begin + len(line)
        if end > SEGMENT_BYTES:
            return False
        self._room[begin:end] = line
        self._end = end
        return True

    def close(self) -> None:
        self._room.close()

    def delete(self) -> None:
        self._room.close()
        self.path.unlink(missing_ok=True)


def read_journal(folder: Path, owner: Owner) -> dict[tuple[int, int], Outcome | None]:
    """What `owner` was doing: (delivery id, fence) → its outcome, None if its message left and no answer came.

    A delivery that is not a key never left.
    """
    found: dict[tuple[int, int], Outcome | None] = {}
    for path in sorted(folder.glob(f"{_stem(owner)}.*.journal")):
        *lines, _torn = path.read_bytes().partition(b"\0")[0].split(b"\n")
        for line in lines:
            _read_line(line, found)
    return found


def delete_journal(folder: Path, owner: Owner) -> None:
    """Delete the files of an owner that is dead and of whose chunks none is left to recover."""
    for path in folder.glob(f"{_stem(owner)}.*.journal"):
        path.unlink(missing_ok=True)


def journal_owners(folder: Path) -> Iterator[Owner]:
    """The owners whose journals lie in this folder."""
    stems = {path.name.split(".", 1)[0] for path in folder.glob("*.journal")}
    for stem in sorted(stems):
        yield Owner.parse(stem.replace("-", ":"))


def _stem(owner: Owner) -> str:
    return str(owner).replace(":", "-")


def _read_line(line: bytes, found: dict[tuple[int, int], Outcome | None]) -> None:
    try:
        if line.startswith(b"> "):
            delivery_id, fence = line[2:].split()
            found[int(delivery_id), int(fence)] = None
        elif line.startswith(b"< "):
            number, fenced, kind, code, reply, relay = orjson.loads(line[2:])
            found[number, fenced] = Outcome(
                delivery_id=number, kind=OutcomeKind[kind], code=code, reply=reply, relay=relay
            )
    except (ValueError, KeyError):
        # A line that a crash of the machine spoiled. An answer that is lost leaves its intent standing, and the
        # delivery in doubt, which is what it is.
        return
