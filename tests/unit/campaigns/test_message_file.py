"""Uploaded messages: encodings, sizes, and what is no text."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendmill.campaigns.message_file import MAX_MESSAGE_BYTES, read_message
from sendmill.errors import InvalidField

TEXT = "<p>Grüße, {{ name }} – 5 €</p>\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_every_encoding(encoding: str) -> None:
    assert read_message(io.BytesIO(TEXT.encode(encoding))) == TEXT


@pytest.mark.parametrize(("mark", "encoding"), [(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")])
def test_both_byte_orders(mark: bytes, encoding: str) -> None:
    assert read_message(io.BytesIO(mark + TEXT.encode(encoding))) == TEXT


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), min_size=1))
def test_any_text_in_utf_8_comes_back(text: str) -> None:
    if text.strip():
        assert read_message(io.BytesIO(text.encode())) == text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b" \r\n\t", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"\xff\xfe", "empty"),
        (b"PK\x03\x04\0\0", "binary"),
        ("a\0b".encode("utf-16"), "binary"),
        (b"\xff\xfea", "no text"),
        (b"\xff\xfe\x00\xd8", "no text"),
        (b"caf\xe9 \x81", "no text"),
        (b"a" * (MAX_MESSAGE_BYTES + 1), "larger than 10,485,760 bytes"),
    ],
)
def test_what_is_no_message(content: bytes, reason: str) -> None:
    with pytest.raises(InvalidField, match=reason) as caught:
        read_message(io.BytesIO(content))
    assert caught.value.path == ("message_file",)


def test_no_file() -> None:
    with pytest.raises(InvalidField, match="No file was submitted"):
        read_message(None)


def test_the_largest_message() -> None:
    assert len(read_message(io.BytesIO(b"a" * MAX_MESSAGE_BYTES))) == MAX_MESSAGE_BYTES


def test_no_more_is_read_than_may_be_kept() -> None:
    file = io.BytesIO(b"a" * (3 * MAX_MESSAGE_BYTES))
    with pytest.raises(InvalidField):
        read_message(file)
    assert file.tell() == MAX_MESSAGE_BYTES + 1
