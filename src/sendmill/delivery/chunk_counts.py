"""How many recipients of a chunk are in each state, counted when nobody holds it and kept with the chunk.

A campaign's progress is the sum of these, so that it costs a row for each thousand recipients. What is in workers'
hands changes all the time and is counted when it is asked for. Counts are true for one fencing number only: whoever
takes a chunk moves that on, and makes them void without knowing of them.
"""

from dataclasses import dataclass

import orjson
from django.db.backends.utils import CursorWrapper

from sendmill.delivery.models import CHUNK_ROWS, CHUNK_SHIFT
from sendmill.delivery.statements import statement
from sendmill.delivery.states import FIRST_FINAL, MARKED_STATES, State


@dataclass(frozen=True, slots=True)
class ChunkCounts:
    """Rows by state. `next_due_ms` is when the next open row is due, 0 for at once, None without one.

    Rows that a node of the version before is sending are open and not due.
    """

    by_state: dict[State, int]
    next_due_ms: int | None

    def stored(self) -> str:
        """As `Chunk.counts` keeps it: JSON, the states' numbers as keys in their order."""
        return orjson.dumps({str(int(state)): self.by_state[state] for state in sorted(self.by_state)}).decode()


def id_range(chunk_id: int) -> tuple[int, int]:
    """The first and the last delivery id that a chunk can hold."""
    first = chunk_id << CHUNK_SHIFT
    return first, first + CHUNK_ROWS - 1


def count_rows(cursor: CursorWrapper, chunk_id: int) -> ChunkCounts:
    """Count a chunk's rows."""
    cursor.execute(statement("count_rows"), id_range(chunk_id))
    found = [(State(state), count, due_ms) for state, count, due_ms in cursor.fetchall()]
    due = [due_ms for state, _, due_ms in found if state < FIRST_FINAL and state not in MARKED_STATES]
    return ChunkCounts({state: count for state, count, _ in found}, min(due, default=None))


def read_stored(counts: str) -> dict[State, int]:
    """The rows by state that `ChunkCounts.stored` wrote."""
    return {State(int(state)): count for state, count in orjson.loads(counts).items()}


def free_chunk(cursor: CursorWrapper, chunk_id: int) -> None:
    """Count a chunk that the caller's transaction has locked and changed, and leave it to whoever claims it next."""
    counted = count_rows(cursor, chunk_id)
    cursor.execute(statement("free_chunk"), [counted.next_due_ms, counted.stored(), chunk_id])
