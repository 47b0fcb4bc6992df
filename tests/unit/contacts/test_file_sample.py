"""The beginning of a file, cut anywhere: what is shown of it, and that no half of a character makes it unreadable."""

import pytest

from sendmill.contacts import file_sample
from sendmill.contacts.column_choice import Columns
from sendmill.contacts.file_sample import read_sample, whole_lines
from sendmill.errors import InvalidField

FOUND = Columns(None, None)
LINES = "Name;Mail;Stadt\n" + "".join(f"Jörg {number};jörg{number}@example.com;Köln\n" for number in range(300))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_sample_reads_like_the_file_wherever_it_is_cut(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = LINES.encode(encoding)
    for size in range(2_000, 2_060):
        monkeypatch.setattr(file_sample, "SAMPLE_BYTES", size)
        sampled = read_sample(content[:size], FOUND)
        assert sampled.columns == Columns(1, 0)
        assert sampled.preview.headings == ["Name", "Mail", "Stadt"]
        assert sampled.preview.rows[0] == ["Jörg 0", "jörg0@example.com", "Köln"]
        assert sampled.bad_rows == 0 and sampled.rows > 20


def test_what_is_chosen_counts_and_bad_rows_are_shown() -> None:
    content = b"a,b\nann@example.com,bob@example.com\nx,carl@example.com\n"
    assert read_sample(content, FOUND).columns == Columns(0, None)
    chosen = read_sample(content, Columns(1, 0))
    assert (chosen.columns, chosen.rows, chosen.bad_rows) == (Columns(1, 0), 2, 0)
    (rejected,) = read_sample(content, FOUND).rejected
    assert (rejected.line, rejected.value) == (3, "x")


def test_a_short_file_is_taken_whole_and_one_long_line_too() -> None:
    assert whole_lines(b"email\nann@example.com") == b"email\nann@example.com"
    assert whole_lines(b"x" * file_sample.SAMPLE_BYTES) == b"x" * file_sample.SAMPLE_BYTES
    with pytest.raises(InvalidField, match="csv_file"):
        read_sample(b"\n\n", FOUND)
    with pytest.raises(InvalidField, match="email_index"):
        read_sample(b"email\nann@example.com\n", Columns(7, None))
