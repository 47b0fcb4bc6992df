"""The names of columns in templates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendmill.content.template import fields_as_variables, variable_name

NAMES = [
    ("First Name", "first_name"),
    ("first_name", "first_name"),
    ("City", "City"),
    ("E-Mail", "e_mail"),
    ("  Postal   code ", "postal_code"),
    ("2nd line", "_2nd_line"),
    ("2024", "_2024"),
    ("Preis (€)", "preis"),
    ("Straße", "Straße"),
    ("Größe in cm", "größe_in_cm"),
    ("Gro\u0308ße", "Größe"),
    ("名前", "名前"),
    ("हिन्दी नाम", "हिन्दी_नाम"),
    ("", "column"),
    ("???", "column"),
    ("_", "_"),
    ("in", "in_"),
    ("True", "True_"),
    ("loop", "loop_"),
    ("a{{b}}", "a_b"),
    ("\x00\r\n\ud800", "column"),
]


@pytest.mark.parametrize(("header", "name"), NAMES)
def test_a_header_has_one_name(header: str, name: str) -> None:
    assert variable_name(header) == name


@given(st.text(st.characters()))
def test_every_header_has_a_name_that_is_an_identifier(header: str) -> None:
    assert variable_name(header).isidentifier()


def test_name_and_email_are_always_the_contacts_own() -> None:
    fields = {"name": "column", "email": "other", "Name": "cased"}
    assert fields_as_variables("Bob", "b@example.org", fields) == {
        "name": "Bob",
        "email": "b@example.org",
        "name_2": "column",
        "email_2": "other",
        "Name": "cased",
    }


def test_of_two_columns_of_one_name_the_exact_one_has_it() -> None:
    fields = {"First Name": "a", "first-name": "b", "first_name": "c", "first_name_2": "d"}
    variables = fields_as_variables("", "", fields)
    assert variables == {
        "name": "",
        "email": "",
        "first_name": "c",
        "first_name_2": "d",
        "first_name_3": "a",
        "first_name_4": "b",
    }


def test_a_name_with_capitals_answers_to_small_letters_unless_those_are_taken() -> None:
    variables = fields_as_variables(
        "Bob", "b@x.test", {"City": "Bern", "Plan": "a", "plan": "b", "CITY": "Rom", "IN": "c"}
    )
    assert variables["City"] == variables["city"] == "Bern"
    assert (variables["CITY"], variables["Plan"], variables["plan"]) == ("Rom", "a", "b")
    assert variables["name"] == "Bob"
    assert "in" not in variables


@given(
    st.dictionaries(st.text(st.characters(), max_size=4) | st.sampled_from(["a b", "A-B", "a_b", "name"]), st.text())
)
def test_no_column_is_lost(fields: dict[str, str]) -> None:
    variables = fields_as_variables("n", "e", fields)
    assert len(variables) >= len(fields) + 2
    assert list(variables.values())[: len(fields)] == list(fields.values())
