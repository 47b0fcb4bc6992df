"""Quoted-printable in independent pieces."""

import quopri
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendmill.content.quoted_printable import encode, encode_piece
from tests.unit.content.texts import ANY_TEXT, meant_in_body

CLEAN_TEXT = ANY_TEXT.map(meant_in_body)


def decoded(octets: bytes) -> str:
    return quopri.decodestring(octets).decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("", b""),
        ("plain", b"plain"),
        ("a\nb\n", b"a\r\nb\r\n"),
        (".", b"=2E"),
        (".a\n..", b"=2Ea\r\n=2E."),
        ("From me", b"=46rom me"),
        ("end \n\t\n", b"end=20\r\n=09\r\n"),
        ("1=1", b"1=3D1"),
        ("é", b"=C3=A9"),
        ("x" * 75, b"x" * 75),
        ("x" * 76, b"x" * 75 + b"=\r\nx"),
        ("x" * 75 + ".", b"x" * 75 + b"=\r\n=2E"),
        ("x" * 74 + " ", b"x" * 74 + b"=\r\n=20"),
        ("x" * 73 + "é", b"x" * 73 + b"=\r\n=C3=A9"),
    ],
)
def test_lines(text: str, octets: bytes) -> None:
    assert encode(text) == octets


def test_a_piece_ends_in_a_soft_break_or_a_line_break() -> None:
    assert encode_piece("") == b""
    assert encode_piece("Dear ") == b"Dear =\r\n"
    assert encode_piece("Hello,\n") == b"Hello,\r\n"
    assert encode_piece("Hello,\n you ") == b"Hello,\r\n you =\r\n"


@given(st.lists(CLEAN_TEXT, max_size=5))
def test_pieces_join_to_what_they_say(texts: list[str]) -> None:
    octets = b"".join([encode_piece(text) for text in texts]) + encode("\n")
    assert decoded(octets) == "".join(texts) + "\n"
    assert octets.endswith(b"\r\n")
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", octets)
    for line in octets.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.startswith((b".", b"From "))
        assert not line.endswith((b" ", b"\t"))
        assert re.fullmatch(rb"[ -~]*", line)
