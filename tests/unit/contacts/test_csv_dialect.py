"""The delimiter, and spaces after it."""

import pytest

from sendmill.contacts.csv_dialect import DELIMITERS, detect_dialect


def delimiter_of(text: str, email_index: int | None = None) -> str:
    return detect_dialect(text, email_index).dialect.delimiter


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("email_index", [0, None])
def test_each_delimiter(delimiter: str, email_index: int | None) -> None:
    rows = [["email", "name"], ["bob@example.com", "Bob"], ["al@example.com", "Al"]]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    assert delimiter_of(text, email_index) == delimiter


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_other_delimiters_inside_cells_deceive_nobody(delimiter: str) -> None:
    others = "".join(other for other in DELIMITERS if other != delimiter)
    rows = [["name", "email"], [f"a{others * 5}b", "bob@example.com"], [f"c{others * 5}d", "al@example.com"]]
    assert delimiter_of("\n".join(delimiter.join(row) for row in rows), 1) == delimiter


def test_delimiters_and_line_ends_in_quotes() -> None:
    text = '"Smith; Bob,\nJr;;";"bob@example.com"\n"Al,,,,";"al@example.com"\n'
    assert delimiter_of(text, 1) == ";"


def test_a_single_column_has_no_delimiter() -> None:
    sample = detect_dialect("bob@example.com\nal@example.com\n", 0)
    assert [len(row) for row in sample.rows] == [1, 1]


def test_a_pipe_before_an_address_is_a_delimiter_and_no_part_of_it() -> None:
    assert delimiter_of("Bob|bob@example.com\nAl|al@example.com\n") == "|"


def test_what_is_an_address_only_with_a_delimiter_in_it_is_none() -> None:
    assert delimiter_of("Smith, B|bob@example.com\nJones, A|al@example.com\n", 1) == "|"
    assert delimiter_of("a,Smith|bob@example.com\nb,Jones|al@example.com\n", 1) == "|"


def test_a_header_alone_is_enough() -> None:
    assert delimiter_of("name;email\n", 1) == ";"
    assert delimiter_of("name;email;favourite colour, if any\n", 1) == ";"


def test_without_addresses_the_rows_of_one_width_win() -> None:
    assert delimiter_of("a;b;c\n1,5;2;3\n1;2,5;3\n", 2) == ";"
    assert delimiter_of("a, in m;b, in m, maybe;c\n1;2;3\n4;5;6\n", 1) == ";"


def test_a_space_after_every_delimiter_is_no_part_of_the_cells() -> None:
    sample = detect_dialect('email, name\nbob@example.com, "Smith, Bob"\nal@example.com,\n', 0)
    assert sample.rows[1] == ["bob@example.com", "Smith, Bob"]
    assert sample.dialect.skipinitialspace


def test_a_space_after_some_delimiters_is_kept() -> None:
    sample = detect_dialect("email,name\nbob@example.com, Bob\n", 0)
    assert sample.rows[1] == ["bob@example.com", " Bob"]


def test_nothing_at_all() -> None:
    assert detect_dialect("", 0).rows == []
    assert detect_dialect("\n \n,,\n", None).dialect.delimiter == ","
