"""Rows, their lines, and quotes that are never closed."""

import csv
import io
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendmill.contacts import csv_rows
from sendmill.contacts.csv_dialect import Dialect
from sendmill.contacts.csv_rows import MalformedRow, RowSource
from sendmill.errors import InvalidField


def parse(text: str, block_lines: int = 1000) -> list[tuple[int, list[str] | MalformedRow]]:
    lines = list(io.StringIO(text, newline=""))
    blocks = ["".join(lines[i : i + block_lines]) for i in range(0, len(lines), block_lines)]
    return list(RowSource(blocks, Dialect()))


@pytest.mark.parametrize("block_lines", [1, 2, 1000])
@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_rows_have_the_line_on_which_they_begin(end: str, block_lines: int) -> None:
    text = end.join(["a,b", "", '"c', "", 'd",e', "f,g"])
    assert parse(text, block_lines) == [
        (1, ["a", "b"]),
        (2, []),
        (3, [f"c{end}{end}d", "e"]),
        (6, ["f", "g"]),
    ]


@pytest.mark.parametrize("block_lines", [1, 2, 1000])
def test_a_quote_that_is_never_closed_costs_one_row(block_lines: int) -> None:
    rows = parse('a,b\n"c,d\ne,f\ng,h\n', block_lines)
    assert [line for line, _ in rows] == [1, 2, 3, 4]
    assert isinstance(rows[1][1], MalformedRow)
    assert rows[1][1].text == '"c,d\n'
    assert "never closed" in rows[1][1].reason
    assert [cells for _, cells in rows[2:]] == [["e", "f"], ["g", "h"]]


@pytest.mark.parametrize("block_lines", [1, 2, 1000])
def test_a_stray_quote_does_not_join_rows(block_lines: int) -> None:
    rows = parse('a,b\n"c,d\ne,f\n"g, h",i\nj,k\n', block_lines)
    assert isinstance(rows[1][1], MalformedRow)
    assert [cells for _, cells in rows if isinstance(cells, list)] == [
        ["a", "b"],
        ["e", "f"],
        ["g, h", "i"],
        ["j", "k"],
    ]


def test_text_after_a_closing_quote_is_taken_as_it_is() -> None:
    assert parse('"Acme" Inc,a\n5" disk,"b" \nc,d') == [
        (1, ["Acme Inc", "a"]),
        (2, ['5" disk', "b "]),
        (3, ["c", "d"]),
    ]


def test_a_cell_beyond_the_limit_costs_one_row() -> None:
    rows = parse(f"a,b\n{'x' * 140_000},c\nd,e\n")
    assert isinstance(rows[1][1], MalformedRow)
    assert "131,072" in rows[1][1].reason
    assert rows[2] == (3, ["d", "e"])


def test_separators_that_are_no_line_ends_stay_in_their_cell() -> None:
    cell = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei"
    assert parse(f"{cell},x\n") == [(1, [cell, "x"])]


@given(
    st.lists(st.text(st.sampled_from('a"",,\n\r'), max_size=12), max_size=30),
    st.integers(1, 5),
)
def test_whatever_the_quotes_every_line_is_in_one_row_and_sound_rows_are_read(
    lines: list[str], block_lines: int
) -> None:
    text = "\n".join(lines)
    rows = parse(text, block_lines)
    assert rows == parse(text, 1000)
    starts = [line for line, _ in rows]
    assert starts == sorted(set(starts))
    count = len(list(io.StringIO(text, newline="")))
    assert not starts or (starts[0] == 1 and starts[-1] <= count)
    try:
        sound = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        return
    assert [cells for _, cells in rows] == sound


def blocks(first: str, block: str, count: int) -> Iterator[str]:
    yield first
    for _ in range(count):
        yield block


@pytest.mark.parametrize(
    ("first", "line"),
    [
        pytest.param('"never closed,a\n', "bob,b\n", id="one field without end"),
        pytest.param('a,"\n', '","\n', id="one row without end"),
    ],
)
def test_a_row_without_end_takes_bounded_memory_and_costs_one_row(first: str, line: str) -> None:
    peaks = []
    for count in (20, 60):  # 1.3 and 3.9 MB
        source = RowSource(blocks(first, line * (65_536 // len(line)), count), Dialect())
        tracemalloc.start()
        assert sum(isinstance(cells, MalformedRow) for _, cells in source) == 1
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1_000_000


def test_a_file_made_to_be_read_again_and_again_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "MAX_REREAD_CHARACTERS", 4 << 20)
    # Each line opens a quote when a row begins with it, and leaves one open when a row goes on with it.
    block = 'x","z\n' * 20_000
    with pytest.raises(InvalidField, match="too many quoted fields are never closed"):
        list(RowSource(blocks("a,b\n", block, 100), Dialect()))
