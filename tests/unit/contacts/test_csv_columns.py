"""Indexes, and the names of columns."""

from typing import Any

import pytest

from sendmill.contacts.csv_columns import Columns, find_email_column, parse_index
from sendmill.errors import InvalidField


@pytest.mark.parametrize(("value", "index"), [(0, 0), (7, 7), ("0", 0), (" 12 ", 12), ("+3", 3)])
def test_an_index_is_a_number_or_its_digits(value: object, index: int) -> None:
    assert parse_index(value, "name_index") == index


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "This field is required."),
        ("", "A valid integer is required."),
        ("one", "A valid integer is required."),
        ("1.5", "A valid integer is required."),
        (1.0, "A valid integer is required."),
        (True, "A valid integer is required."),
        ([1], "A valid integer is required."),
        ("1_0", "A valid integer is required."),
        ("١", "A valid integer is required."),
        ("9" * 5000, "A valid integer is required."),
        (-1, "Ensure this value is greater than or equal to 0."),
        ("-1", "Ensure this value is greater than or equal to 0."),
    ],
)
def test_anything_else_is_refused_by_field(value: Any, reason: str) -> None:
    with pytest.raises(InvalidField) as caught:
        parse_index(value, "name_index")
    assert (caught.value.path, caught.value.reason) == (("name_index",), reason)


@pytest.mark.parametrize(
    ("first_row", "email_index", "name_index", "names"),
    [
        (["N", "E", " City "], 1, 0, ["name", "email", "City"]),
        (["N", "E", "City", "City", "City"], 1, 0, ["name", "email", "City", "City_2", "City_3"]),
        (["E", "City", "City_2", "City"], 0, None, ["email", "City", "City_2", "City_3"]),
        (["E", "", " ", "column_1"], 0, None, ["email", "column_1", "column_2", "column_1_2"]),
        (["email", "mail", "name", "n"], 1, 3, ["email_2", "email", "name_2", "name"]),
        (["mail", "email", "name"], 0, 0, ["email", "email_2", "name_2"]),
        (["name", "mail"], 1, None, ["name_2", "email"]),
        (["Name", "Email", "x"], 2, None, ["Name", "Email", "email"]),
        (["Bob", "bob@example.com", "Berlin"], 1, 0, ["name", "email", "column_2"]),
    ],
)
def test_names(first_row: list[str], email_index: int, name_index: int | None, names: list[str]) -> None:
    assert Columns(first_row, email_index, name_index).names == names


def test_cells_beyond_the_columns_have_names_of_their_own() -> None:
    columns = Columns(["mail", "column_3"], 0, None)
    assert columns.beyond(1) == ["column_2"]
    assert columns.beyond(2) == ["column_2", "column_3_2"]


def test_the_first_row_is_a_header_unless_its_email_cell_is_an_address() -> None:
    assert Columns(["bob@example.com", "mail"], 1, 0).has_header
    assert not Columns(["mail", " bob@example.com "], 1, 0).has_header


@pytest.mark.parametrize(
    ("email_index", "name_index", "field"), [(2, 0, "email_index"), (0, 2, "name_index"), (9, 9, "email_index")]
)
def test_an_index_beyond_the_columns(email_index: int, name_index: int, field: str) -> None:
    with pytest.raises(InvalidField, match="the last one has index 1") as caught:
        Columns(["mail", "name"], email_index, name_index)
    assert caught.value.path == (field,)


def test_too_many_columns_and_too_long_headers() -> None:
    with pytest.raises(InvalidField, match="more than 1,000 columns"):
        Columns(["c"] * 1001, 0, None)
    with pytest.raises(InvalidField, match="column 1 is longer than 255"):
        Columns(["mail", "x" * 256], 0, None)


@pytest.mark.parametrize(
    ("rows", "index"),
    [
        ([["name", "Email"], ["bob@example.com", "al@example.com"]], 1),
        ([["id", "mail"], ["1", "bob@example.com"]], 1),
        ([["id", "mail", "other"], ["1", "none", "al@example.com"], ["2", "bob@example.com", ""]], 1),
        ([["bob@example.com"]], 0),
    ],
)
def test_the_email_column_is_found(rows: list[list[str]], index: int) -> None:
    assert find_email_column(rows[0], rows) == index


def test_no_email_column() -> None:
    with pytest.raises(InvalidField, match="none holds an email address"):
        find_email_column(["name"], [["name"], ["Bob", "bob@example.com"]])
