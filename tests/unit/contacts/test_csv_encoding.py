"""Which encoding a file is in, and what is no text."""

import codecs
import io
import itertools
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendmill.contacts.csv_encoding import MAX_LINE_CHARACTERS, detect_encoding, text_blocks
from sendmill.errors import InvalidField

TEXT = "email,name\r\nbob@example.com,Jürgen Ŵĩß “x”\r\n"
LONG_ASCII = b"ann@example.com,Ann\n" * 150_000  # 3 MB: several blocks of the scan


def read(content: bytes) -> str:
    file = io.BytesIO(content)
    return "".join(text_blocks(file, detect_encoding(file)))


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    ],
    ids=["utf-8", "utf-8 with mark", "utf-16-le", "utf-16-be"],
)
def test_unicode_files(content: bytes) -> None:
    assert read(content) == TEXT


def test_what_is_not_utf_8_is_windows_1252() -> None:
    assert read("Jürgen – 5 €, “quoted” ŠŽ".encode("cp1252")) == "Jürgen – 5 €, “quoted” ŠŽ"


def test_the_first_letter_beyond_ascii_decides_however_late_it_comes() -> None:
    assert read(LONG_ASCII + "Jürgen".encode()).endswith("Jürgen")
    assert read(LONG_ASCII + "Jürgen".encode("cp1252")).endswith("Jürgen")


@pytest.mark.parametrize("cut", range(1, 4))
def test_a_character_across_two_blocks_of_the_scan_is_one(cut: int) -> None:
    content = b"x" * 99 + b"\n"
    content = content * 11_000
    content = content[: (1 << 20) - cut] + "😀\n".encode() + content
    assert "😀" in read(content)


def test_a_character_that_the_next_block_of_the_scan_does_not_finish_is_not_utf_8() -> None:
    content = (b"x" * 99 + b"\n") * 11_000
    assert "Ã(" in read(content[: (1 << 20) - 1] + b"\xc3(\n" + content)


def test_a_line_end_across_two_blocks_is_one() -> None:
    content = (b"x" * 99 + b"\n") * 1_400
    file = io.BytesIO(content[: (1 << 17) - 1] + b"\r\n" + content)
    assert not any(block.startswith("\n") for block in text_blocks(file, detect_encoding(file)))


def test_a_character_that_the_end_of_the_file_cuts_is_not_utf_8() -> None:
    assert read("é".encode()[:1]) == "Ã"


def test_control_characters_in_unicode_are_text() -> None:
    assert read("\x01\x1b\x7f\x85é".encode()) == "\x01\x1b\x7f\x85é"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "The submitted file is empty.", id="zero bytes"),
        pytest.param(b"email\nbob@example.com\x00\n", "binary data", id="NUL"),
        pytest.param(LONG_ASCII + b"\x00", "binary data", id="a late NUL"),
        pytest.param(bytes(range(256)), "binary data", id="every byte"),
        pytest.param(b"\x89PNG\r\n\x1a\n\x01\x02", "no text", id="control characters in Windows-1252"),
        pytest.param(TEXT.encode("utf-16-le"), "without a byte order mark", id="UTF-16 without mark"),
        pytest.param(codecs.BOM_UTF16_LE + b"a\x00b", "is not UTF-16", id="half a unit of UTF-16"),
        pytest.param(codecs.BOM_UTF16_LE + b"\x00\xd8a\x00", "is not UTF-16", id="half a surrogate pair"),
        pytest.param(codecs.BOM_UTF16_BE + b"\x00a\x00\x00", "binary data", id="NUL in UTF-16"),
        pytest.param(codecs.BOM_UTF8 + b"a\n\xfc", "see line 2)", id="a mark, but not UTF-8"),
        pytest.param(b"PK\x03\x04\x14", "a spreadsheet", id="xlsx"),
        pytest.param(b"%PDF-1.7\n", "a PDF", id="PDF"),
        # As Windows-1252 every name in it would be garbled.
        pytest.param("Á\n".encode() * 99 + b"\xc3(\n", "see line 100)", id="UTF-8 with one flaw"),
        pytest.param(b"x" * (MAX_LINE_CHARACTERS + 300_000), "longer than 524,288", id="a line without end"),
    ],
)
def test_what_is_no_text_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(InvalidField, match=re.escape(reason)) as caught:
        read(content)
    assert caught.value.path == ("csv_file",)


def test_random_bytes_are_refused() -> None:
    with pytest.raises(InvalidField):
        read(os.urandom(100_000))


line_ends = st.sampled_from(["\n", "\r", "\r\n"])


@given(
    st.lists(st.tuples(st.integers(0, 100_000), st.sampled_from("aü\u2028😀"), line_ends), max_size=12),
    st.sampled_from(["utf-8", "utf-16"]),
)
def test_blocks_are_whole_lines_of_the_text(lines: list[tuple[int, str, str]], encoding: str) -> None:
    text = "".join(f"{character * length}{end}" for length, character, end in lines) + "last"
    file = io.BytesIO(text.encode(encoding))
    blocks = list(text_blocks(file, detect_encoding(file)))
    assert "".join(blocks) == text
    assert all(block.endswith(("\r", "\n")) for block in blocks[:-1])
    for block, following in itertools.pairwise(blocks):
        assert not (block.endswith("\r") and following.startswith("\n"))
