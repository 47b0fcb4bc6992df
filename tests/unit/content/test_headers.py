"""Header fields: what is meant arrives, and nothing else."""

import email
import re
from email.header import decode_header
from email.policy import compat32
from email.utils import parseaddr

import pytest
from hypothesis import given

from sendmill.content.headers import mailbox_header, text_header
from tests.unit.content.texts import ANY_TEXT, meant_in_header

HEADER_TEXT = ANY_TEXT.map(meant_in_header)


def unfolded(field: bytes) -> str:
    """The field's value as Python's parser sees it; fails if there is any other field."""
    message = email.message_from_bytes(field + b"\r\n", policy=compat32)
    assert len(message.items()) == 1
    assert message.get_payload() == ""
    return re.sub(r"\r\n(?=[ \t])", "", str(message.items()[0][1]))


def decoded(value: str) -> str:
    parts = decode_header(value)
    return "".join([part if isinstance(part, str) else part.decode(charset or "ascii") for part, charset in parts])


def check_lines(field: bytes, longest: int = 76) -> None:
    assert field.endswith(b"\r\n")
    lines = field[:-2].split(b"\r\n")
    assert max(map(len, lines)) <= longest
    assert not any(line.startswith(b" ") for line in lines[:1])
    assert all(line.startswith(b" ") and line.strip() for line in lines[1:])
    assert re.fullmatch(rb"[ -~]+", b"".join(lines))
    for word in re.findall(rb"=\?utf-8\?[qb]\?[^ ?]*\?=", field):
        assert len(word) <= 75
        decoded(word.decode())  # alone: no character is cut in two


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", b"Subject:\r\n"),
        ("Hello", b"Subject: Hello\r\n"),
        ("a  b", b"Subject: a  b\r\n"),
        ("x" * 67, b"Subject: " + b"x" * 67 + b"\r\n"),
        ("x" * 70, b"Subject: =?utf-8?q?" + b"x" * 55 + b"?=\r\n =?utf-8?q?" + b"x" * 15 + b"?=\r\n"),
        ("Grüße", b"Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n"),
        ("Grüße aus Köln am Rhein", b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln_am_Rhein?=\r\n"),
        ("Привет", b"Subject: =?utf-8?b?0J/RgNC40LLQtdGC?=\r\n"),
        ("=?x", b"Subject: =?utf-8?b?PT94?=\r\n"),
        ("word " * 14 + "end", b"Subject:" + b" word" * 13 + b"\r\n word end\r\n"),
    ],
)
def test_subjects(text: str, field: bytes) -> None:
    result = text_header("Subject", text)
    assert result == field
    assert decoded(unfolded(result)) == text


@given(HEADER_TEXT)
def test_any_subject_arrives(text: str) -> None:
    field = text_header("Subject", text)
    check_lines(field)
    assert decoded(unfolded(field)) == text


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("", b"To: bob@example.org\r\n"),
        ("Bob Smith", b"To: Bob Smith <bob@example.org>\r\n"),
        ("Smith, Bob", b'To: "Smith, Bob" <bob@example.org>\r\n'),
        ('a"b\\c', b'To: "a\\"b\\\\c" <bob@example.org>\r\n'),
        ("Jürg", b"To: =?utf-8?b?SsO8cmc=?= <bob@example.org>\r\n"),
        ("a" * 60, b"To: " + b"a" * 60 + b"\r\n <bob@example.org>\r\n"),
    ],
)
def test_names(name: str, field: bytes) -> None:
    assert mailbox_header("To", name, b"bob@example.org") == field


@given(HEADER_TEXT)
def test_any_name_arrives_with_its_address(name: str) -> None:
    field = mailbox_header("To", name, b"bob@example.org")
    check_lines(field)
    parsed_name, parsed_address = parseaddr(unfolded(field))
    assert (decoded(parsed_name), parsed_address) == (name, "bob@example.org")


def test_a_long_address_is_on_one_line() -> None:
    address = b"a" * 64 + b"@" + b"b" * 63 + b"." + b"c" * 63 + b"." + b"d" * 58 + b".org"
    field = mailbox_header("To", "Bob", address)
    check_lines(field, longest=260)
    assert parseaddr(unfolded(field)) == ("Bob", address.decode())


def test_an_address_in_utf8_is_written_as_it_is() -> None:
    assert mailbox_header("To", "Jürg", "jürg@example.org".encode()) == (
        b"To: =?utf-8?b?SsO8cmc=?= <j\xc3\xbcrg@example.org>\r\n"
    )
