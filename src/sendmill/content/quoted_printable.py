r"""Quoted-printable (RFC 2045 6.7) for text with LF line breaks, in pieces that don't depend on each other.

What comes out can be sent over SMTP as it is: every line ends in CRLF, no line is longer than 76 octets, no line
starts with a dot, so that nothing is left to stuff (RFC 5321 4.5.2), and none with "From ", which some mail stores
rewrite (RFC 2049 3).

A piece is written as if it started a line, and ends in a line break or in a soft break (`=\r\n`). Pieces can
therefore be encoded one by one, long before it is known what stands beside them, and joined.

The standard library's `binascii.b2a_qp` is used for short pieces alone: it leaves leading dots alone, and a line that
ends in white space comes out at up to 78 octets.
"""

import re
from binascii import b2a_qp
from collections.abc import Iterator
from functools import lru_cache

_KNOWN_LINE = 400  # characters of a line worth remembering; bounds what the memory of lines can take to some 5 MB
MAX_CONTENT = 75  # octets of a line, before the "=" of a soft break
_SOFT_BREAK = "=\r\n"
SOFT_BREAK = _SOFT_BREAK.encode("ascii")

# Printable ASCII that fits a line and needs no encoding; behind the last of a line there may be no space.
_is_plain_start = re.compile(r"(?!\.|From )[ -<>-~]{0,75}").fullmatch
_is_plain_line = re.compile(r"(?!\.|From )[ -<>-~]{0,74}[!-<>-~]").fullmatch
_OCTETS = [chr(octet) if 0x20 <= octet <= 0x7E and octet != 0x3D else f"={octet:02X}" for octet in range(256)]


def encode(text: str) -> bytes:
    """All of a body or a piece of it, up to a line break or the end of the body. No surrogates, no CR."""
    return b"\r\n".join(
        [_encode_known_line(line) if len(line) <= _KNOWN_LINE else _encode_line(line) for line in text.split("\n")]
    )


def encode_piece(text: str) -> bytes:
    """A piece of a body that more follows on the same line, or on the next if `text` ends in a line break."""
    if not text or text.endswith("\n"):
        return encode(text)
    if "\n" not in text:
        return _encode_start(text) + SOFT_BREAK
    *lines, start = text.split("\n")
    return encode("\n".join([*lines, ""])) + _encode_start(start) + SOFT_BREAK


def _encode_start(start: str) -> bytes:
    """The start of a line; more follows behind a soft break."""
    if _is_plain_start(start):
        return start.encode("ascii")
    if start.isprintable() and start[0] not in ".F" and start[-1] != " ":
        # What the standard library does right: short text that gets no line breaks from it. 0.3 µs in place of 4.
        encoded = b2a_qp(start.encode("utf-8"))
        if len(encoded) <= MAX_CONTENT:
            return encoded
    return _encode(start)


def _encode_line(line: str) -> bytes:
    if not line or _is_plain_line(line):
        return line.encode("ascii")
    if line.endswith(" "):  # trailing white space is no part of an encoded line (RFC 2045 6.7, rule 3)
        return _encode(line[:-1], "=20")
    return _encode(line)


# On the slow road nearly all lines of a message are those of the message before: 80 µs in place of 200 for 4 KB
# in two parts (bench/render.py).
_encode_known_line = lru_cache(maxsize=1024)(_encode_line)


def _encode(line: str, end: str = "") -> bytes:
    if line.isascii() and line.isprintable():
        encoded = line.replace("=", "=3D")
    else:
        encoded = "".join([_OCTETS[octet] for octet in line.encode("utf-8")])
    return _SOFT_BREAK.join(_wrapped(encoded + end)).encode("ascii")


def _wrapped(encoded: str) -> Iterator[str]:
    """An encoded line in parts of at most 75 octets, none of which cuts an octet's `=XX` or starts as it mustn't."""
    start = 0
    while start < len(encoded):
        head = ""
        if encoded[start] == "." or encoded.startswith("From ", start):
            head = f"={ord(encoded[start]):02X}"
            start += 1
        end = start + MAX_CONTENT - len(head)
        if end < len(encoded):
            unit = encoded.rfind("=", end - 2, end)
            end = end if unit == -1 else unit
        yield head + encoded[start:end]
        start = end
