"""Marks: which rows of a chunk are being sent."""

from hypothesis import given
from hypothesis import strategies as st

from sendmill.delivery.marks import NO_MARKS, changed_marks, marked_ids, marks_by_chunk

FENCE = 12

numbers = st.sets(st.integers(0, 1023))


def stored(chunk_id: int, rows: set[int]) -> str:
    return changed_marks(NO_MARKS, FENCE, 0, marks_by_chunk(chunk_id * 1024 + row for row in rows).get(chunk_id, 0))


@given(numbers, numbers, numbers)
def test_what_has_ended_goes_and_what_has_begun_comes(before: set[int], ended: set[int], begun: set[int]) -> None:
    chunk = 7
    of_chunk = [marks_by_chunk(chunk * 1024 + row for row in rows).get(chunk, 0) for rows in (ended, begun)]
    after = changed_marks(stored(chunk, before), FENCE, *of_chunk)
    assert marked_ids(chunk, after, FENCE) == [chunk * 1024 + row for row in sorted((before - ended) | begun)]
    assert len(after) <= 256 + len(f"{FENCE}:")
    assert marked_ids(chunk, after, FENCE + 1) == []
    # What an owner before has left is no part of this one's marks.
    assert changed_marks(after, FENCE + 1, *of_chunk) == changed_marks(NO_MARKS, FENCE + 1, *of_chunk)


def test_rows_are_told_apart_by_chunk() -> None:
    assert marks_by_chunk([1024, 1027, 2 * 1024 + 1023]) == {1: 0b1001, 2: 1 << 1023}
    assert changed_marks("12:9", 12, 0b1001, 0) == NO_MARKS
    assert marked_ids(3, NO_MARKS, 0) == []
