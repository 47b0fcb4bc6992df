"""From the bytes of an uploaded file to blocks of text: which encoding it is in, and that it is text at all.

UTF-8 with or without a byte order mark, UTF-16 with one, else Windows-1252. Whether a file is UTF-8 can only be told
from all of it: the first letter beyond ASCII may come after 500 MB. So the file is read once to find out (4 GB/s
while it is ASCII, 1 GB/s else) and once more to be parsed. It is never in memory as a whole.
"""

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from sendmill.errors import InvalidField

MAX_LINE_CHARACTERS = 1 << 19
"""A longer line ends the import: no list of contacts has one, and a line has to be in memory as a whole."""

_SCAN_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 17  # 64 to 256 KiB are equally fast

_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

# What no text in Windows-1252 holds: five bytes that it doesn't define, and control characters. In UTF-8 control
# characters are let through, because no binary file is valid UTF-8 by chance.
_NOT_WINDOWS_1252 = bytes(set(range(0x20)) - set(b"\t\n\v\f\r\x1a")) + b"\x81\x8d\x8f\x90\x9d"

# Files that people take for CSV, by how they begin. Most would be refused for a NUL anyway, but not as helpfully.
_KNOWN_FILES = (
    (b"PK\x03\x04", "a spreadsheet or a ZIP archive"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF-", "a PDF"),
)


def detect_encoding(file: BinaryIO) -> str:
    """The name of the codec that reads `file`, byte order mark included.

    `file` is seekable; it is read from its beginning to its end. Raises InvalidField for `csv_file` if it is empty
    or no text. UTF-16 is only checked while it is read by `text_blocks`, since nothing else could be meant.
    """
    file.seek(0)
    head = file.read(8)
    if not head:
        raise InvalidField("csv_file", "The submitted file is empty.")
    for beginning, what in _KNOWN_FILES:
        if head.startswith(beginning):
            raise InvalidField("csv_file", f"This is {what}, not CSV. Save the list as CSV and upload that.")
    if head.startswith(_UTF_16_MARKS):
        return "utf-16"
    invalid_at = _first_byte_not_utf_8(file)
    if invalid_at is None:
        return "utf-8-sig"
    if head.startswith(codecs.BOM_UTF8) or not _is_windows_1252(file):
        line = _line_at(file, invalid_at)
        raise InvalidField("csv_file", f"The file is no text in UTF-8 (see line {line}) or Windows-1252.")
    return "cp1252"


def text_blocks(file: BinaryIO, encoding: str) -> Iterator[str]:
    """The text of `file` in blocks of whole lines, the ends of lines as they are.

    A block is about 128 Ki characters, and never more than MAX_LINE_CHARACTERS above that. Raises InvalidField for
    `csv_file` on a longer line, and on UTF-16 that is invalid or holds a NUL.
    """
    rest = ""
    for chunk in _decoded(file, encoding):
        text = rest + chunk
        # A carriage return at the very end may be the first half of a CRLF.
        end = max(text.rfind("\n"), text.rfind("\r", 0, len(text) - 1)) + 1
        if end:
            yield text[:end]
        rest = text[end:]
        if len(rest) > MAX_LINE_CHARACTERS:
            raise InvalidField("csv_file", f"A line is longer than {MAX_LINE_CHARACTERS:,} characters.")
    if rest:
        yield rest


def _decoded(file: BinaryIO, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    file.seek(0)
    try:
        while chunk := file.read(_BLOCK_BYTES):
            text = decoder.decode(chunk)
            if "\0" in text:
                raise _binary_data()
            yield text
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise InvalidField("csv_file", "The file begins with a UTF-16 byte order mark, but is not UTF-16.") from None


def _first_byte_not_utf_8(file: BinaryIO) -> int | None:
    """The offset at which `file` stops being UTF-8, None if it is UTF-8 throughout. Raises on a NUL."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    pending = 0  # bytes of a character that the last chunk cut in two
    offset = 0
    file.seek(0)
    while chunk := file.read(_SCAN_BYTES):
        if b"\0" in chunk:
            raise _binary_data()
        if pending or not chunk.isascii():
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                return offset - pending + error.start
            pending = len(decoder.getstate()[0])
        offset += len(chunk)
    return offset - pending if pending else None


def _is_windows_1252(file: BinaryIO) -> bool:
    file.seek(0)
    while chunk := file.read(_SCAN_BYTES):
        if len(chunk.translate(None, _NOT_WINDOWS_1252)) != len(chunk):
            return False
    return True


def _line_at(file: BinaryIO, offset: int) -> int:
    """The number of the line, from 1, that holds the byte at `offset`."""
    newlines = returns = 0
    file.seek(0)
    while offset > 0 and (chunk := file.read(min(offset, _SCAN_BYTES))):
        newlines += chunk.count(b"\n")
        returns += chunk.count(b"\r")
        offset -= len(chunk)
    return (newlines or returns) + 1


def _binary_data() -> InvalidField:
    return InvalidField("csv_file", "The file holds binary data, not CSV (or UTF-16 without a byte order mark).")
