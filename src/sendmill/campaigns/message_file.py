"""From the bytes of an uploaded message to its text."""

import codecs
from typing import BinaryIO

from sendmill.errors import InvalidField

MAX_MESSAGE_BYTES = 10 * 1024 * 1024
"""Of an uploaded message. It is held in memory here, and by every worker that sends it."""

_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_message(file: BinaryIO | None) -> str:
    """The text of a message file: UTF-8 with or without a byte order mark, UTF-16 with one, else Windows-1252.

    Raises InvalidField("message_file").
    """
    if file is None:
        raise InvalidField("message_file", "No file was submitted.")
    content = file.read(MAX_MESSAGE_BYTES + 1)
    if len(content) > MAX_MESSAGE_BYTES:
        raise InvalidField("message_file", f"The message is larger than {MAX_MESSAGE_BYTES:,} bytes.")
    text = _decoded(content)
    if not text.strip():
        raise InvalidField("message_file", "The submitted file is empty.")
    if "\0" in text:
        raise InvalidField("message_file", "The file holds binary data, not text.")
    return text


def _decoded(content: bytes) -> str:
    encodings = ("utf-16",) if content.startswith(_UTF_16_MARKS) else ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            pass
    raise InvalidField("message_file", "The file is no text in UTF-8, UTF-16 or Windows-1252.")
