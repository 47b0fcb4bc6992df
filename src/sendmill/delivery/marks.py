"""Which rows of a chunk are being sent, as the chunk keeps it: a set of bits, one for each of its rows, in hex. Pure.

A mark is the intent that is durable before a message's last byte leaves. Kept with the chunk, and not in each row, it
costs one small write for all the rows of an exchange, where a change of each row took 1 µs and another copy of its page
in the database's log.

Marks are of one owner of the chunk, and name its fencing number: whoever takes the chunk makes them void without
knowing of them, as nodes of the version before do.
"""

from collections.abc import Iterable

from sendmill.delivery.models import CHUNK_SHIFT

_BITS = [1 << number for number in range(1 << CHUNK_SHIFT)]
_NUMBER_IN_CHUNK = (1 << CHUNK_SHIFT) - 1

NO_MARKS = ""


def marks_by_chunk(delivery_ids: Iterable[int]) -> dict[int, int]:
    """These deliveries as sets of bits, by their chunks."""
    marks: dict[int, int] = {}
    for number in delivery_ids:
        chunk_id = number >> CHUNK_SHIFT
        marks[chunk_id] = marks.get(chunk_id, 0) | _BITS[number & _NUMBER_IN_CHUNK]
    return marks


def changed_marks(stored: str, fence: int, ended: int, begun: int) -> str:
    """What a chunk keeps when the rows in `ended` are no longer being sent and those in `begun` are."""
    marks = _read(stored, fence) & ~ended | begun
    return f"{fence}:{marks:x}" if marks else NO_MARKS


def marked_ids(chunk_id: int, stored: str, fence: int) -> list[int]:
    """The deliveries of a chunk that are marked, in their order."""
    marks = _read(stored, fence)
    first = chunk_id << CHUNK_SHIFT
    return [first + number for number, bit in enumerate(_BITS) if marks & bit]


def _read(stored: str, fence: int) -> int:
    of_fence, _, marks = stored.partition(":")
    return int(marks, 16) if of_fence == str(fence) else 0
