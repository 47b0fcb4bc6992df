"""Which rows of a chunk are being sent, as the chunk keeps it: a set of bits, one for each of its rows, in hex. Pure.

A mark is the intent that is durable before a message's last byte leaves. Kept with the chunk, and not in each row, it
costs one small write for all the rows of an exchange, where a change of each row took 1 µs and another copy of its page
in the database's log.
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


def changed_marks(stored: str, ended: int, begun: int) -> str:
    """What a chunk keeps when the rows in `ended` are no longer being sent and those in `begun` are."""
    marks = (int(stored, 16) if stored else 0) & ~ended | begun
    return f"{marks:x}" if marks else NO_MARKS


def marked_ids(chunk_id: int, stored: str) -> list[int]:
    """The deliveries of a chunk that are marked, in their order."""
    marks = int(stored, 16) if stored else 0
    first = chunk_id << CHUNK_SHIFT
    return [first + number for number, bit in enumerate(_BITS) if marks & bit]
