"""The demo's file is what the demo says of it."""

import io
import unicodedata

from sendmill.contacts.csv_reader import open_contacts
from sendmill.demo.people import (
    EMAIL_INDEX,
    INVALID,
    INVALID_LINE,
    NAME_INDEX,
    OPTED_OUT,
    PEOPLE,
    SHOWN,
    contacts_csv,
)


def test_the_file_has_everybody_and_one_row_that_is_rejected() -> None:
    batches = list(open_contacts(io.BytesIO(contacts_csv()), email_index=EMAIL_INDEX, name_index=NAME_INDEX).batches())
    read = [(row.name, row.email, row.fields["city"]) for batch in batches for row in batch.contacts]
    assert read == list(PEOPLE)
    (rejected,) = [row for batch in batches for row in batch.rejected]
    assert (rejected.line, rejected.column, rejected.value) == (INVALID_LINE, "email", INVALID.email)


def test_nobody_is_there_twice_and_nobody_is_real() -> None:
    assert len({person.email for person in PEOPLE}) == len(PEOPLE) == 300
    assert {person.email.partition("@")[2] for person in PEOPLE} <= {"example.com", "example.org", "example.net"}
    assert OPTED_OUT != SHOWN


def test_names_are_in_many_scripts() -> None:
    scripts = {unicodedata.name(letter).split()[0] for person in PEOPLE for letter in person.name if letter.isalpha()}
    assert {
        *("LATIN", "GREEK", "CYRILLIC", "ARABIC", "HEBREW", "DEVANAGARI", "THAI"),
        *("CJK", "HIRAGANA", "KATAKANA", "HANGUL"),
    } <= scripts
