r"""Header fields as bytes: folded (RFC 5322 2.2.3), encoded (RFC 2047), with nothing in them that wasn't meant.

Every text given here has passed through `characters.header_text`: one line, no controls. Text that is printable
ASCII goes as it is, everything else as encoded-words in UTF-8. So does text that holds "=?", because a reader would
take it for an encoded-word, and `=?utf-8?q?=0D=0ABcc:…?=` for a line break with a further header behind it.

Lines are at most 76 octets. Only an address, which can't be folded, may make one longer: 260 octets at most.
"""

import base64
import re
from binascii import b2a_base64
from functools import lru_cache
from typing import TypeVar

Encoded = TypeVar("Encoded", str, bytes)

_MAX_LINE = 76
_WORD_ROOM = 75 - len("=?utf-8?q??=")  # an encoded-word has at most 75 characters (RFC 2047 2)
_ONE_WORD_OCTETS = 39  # 52 characters in B; with its frame and "Subject: " before it a line of 73

_is_one_line = re.compile(r"[!-~](?:[ -~]*[!-~])?").fullmatch
_is_single_spaced = re.compile(r"[!-~]+(?: [!-~]+)*").fullmatch
# RFC 5322 atoms of letters and digits alone, which no reader misunderstands.
_is_plain_phrase = re.compile(r"[A-Za-z0-9]+(?: [A-Za-z0-9]+)*").fullmatch

# RFC 2047 5 (3): what may stand for itself in an encoded-word of a phrase; good enough for a subject too.
_Q_OCTETS = [
    chr(octet) if chr(octet).isalnum() or chr(octet) in "!*+-/" else f"={octet:02X}" for octet in range(128)
] + [f"={octet:02X}" for octet in range(128, 256)]
_Q_OCTETS[ord(" ")] = "_"
_MOST_KEPT_UNITS = 20_000


class _QUnits(dict[str, str]):
    """Characters in Q, worked out once. Octet by octet a subject of 37 letters took 37 µs, so it takes 9."""

    def __missing__(self, character: str) -> str:
        unit = "".join([_Q_OCTETS[octet] for octet in character.encode("utf-8")])
        if len(self) < _MOST_KEPT_UNITS:
            self[character] = unit
        return unit


_Q_UNITS = _QUnits()


def text_header(name: str, text: str) -> bytes:
    """An unstructured header field such as Subject, with its CRLF."""
    if not text:
        return f"{name}:\r\n".encode("ascii")
    line = f"{name}: {text}"
    if "=?" not in text:
        if len(line) <= _MAX_LINE and _is_one_line(text):
            return f"{line}\r\n".encode("ascii")
        if _is_single_spaced(text):
            lines = _folded(line)
            # The field's name alone on a line, or a word over the limit: not without encoded-words.
            if lines[0] != f"{name}:" and max(map(len, lines)) <= _MAX_LINE:
                return "".join([f"{part}\r\n" for part in lines]).encode("ascii")
    return f"{name}: {encoded_words(text, len(name) + 2)}\r\n".encode("ascii")


def mailbox_header(name: str, display_name: str, address: bytes) -> bytes:
    """From or To with one mailbox (RFC 5322 3.4), with its CRLF.

    `address` is in its envelope form, as `addresses.envelope_address` has checked and made it: ASCII, or UTF-8 in the
    local part, which makes the message one of RFC 6532.
    """
    if not display_name:
        return b"%s: %s\r\n" % (name.encode("ascii"), address)
    if not display_name.isascii():
        word = encoded_word(display_name)
        if word is not None:
            gap = b" " if len(name) + len(word) + len(address) + 5 <= _MAX_LINE else b"\r\n "
            return b"%s: %s%s<%s>\r\n" % (name.encode("ascii"), word, gap, address)
    phrase = _phrase(display_name, len(name) + 2)
    last_line = len(name) + 2 + len(phrase) if "\r\n" not in phrase else len(phrase.rpartition("\r\n")[2])
    gap = b" " if last_line + len(address) + 3 <= _MAX_LINE else b"\r\n "
    return b"%s: %s%s<%s>\r\n" % (name.encode("ascii"), phrase.encode("ascii"), gap, address)


def _phrase(text: str, column: int) -> str:
    """A display name as RFC 5322 phrase that starts at `column`: atoms, a quoted string or encoded-words."""
    if column + len(text) + 2 <= _MAX_LINE and "=?" not in text:
        if _is_plain_phrase(text):
            return text
        if _is_one_line(text):
            quoted = text.replace("\\", "\\\\").replace('"', '\\"')
            if column + len(quoted) + 2 <= _MAX_LINE:
                return f'"{quoted}"'
    return encoded_words(text, column)


def _folded(line: str) -> list[str]:
    """`line` broken before single spaces, greedily; each part after the first starts with its space."""
    first, *words = line.split(" ")
    lines = [first]
    for word in words:
        if len(lines[-1]) + 1 + len(word) <= _MAX_LINE:
            lines[-1] += f" {word}"
        else:
            lines.append(f" {word}")
    return lines


# The same name stands in To and often in the subject too; and lists have far fewer first names than people.
@lru_cache(maxsize=1024)
def encoded_word(text: str) -> bytes | None:
    """`text` as one encoded-word in B that fits any header line, or None if it is too long for that.

    None too for what isn't fit to stand in a header as it is: no text, spaces at its ends, anything unprintable. B and
    not Q, because it costs 0.4 µs where Q takes 3 to 9.
    """
    octets = text.encode("utf-8", "replace")
    if not octets or len(octets) > _ONE_WORD_OCTETS or text[0] == " " or text[-1] == " " or not text.isprintable():
        return None
    return b"=?utf-8?b?%b?=" % b2a_base64(octets, newline=False)


def encoded_words(text: str, column: int) -> str:
    """`text` as encoded-words on lines of their own, the first of which starts at `column`.

    In Q where at least half of the octets stand for themselves in it, so that Latin text stays readable, else in B.
    """
    first_room = _MAX_LINE - column - len("=?utf-8?q??=")
    units = list(map(_Q_UNITS.__getitem__, text))
    if len("".join(units)) <= 2 * len(text.encode("utf-8")):
        words = [f"=?utf-8?q?{''.join(part)}?=" for part in _parts(units, first_room, _WORD_ROOM)]
    else:
        octets = [character.encode("utf-8") for character in text]
        parts = _parts(octets, first_room // 4 * 3, _WORD_ROOM // 4 * 3)
        words = ["=?utf-8?b?" + base64.b64encode(b"".join(part)).decode("ascii") + "?=" for part in parts]
    return "\r\n ".join(words)


def _parts(characters: list[Encoded], first_room: int, room: int) -> list[list[Encoded]]:
    """Encoded characters in parts that fit, each of whole characters (RFC 2047 5)."""
    parts = []
    begin, used, limit = 0, 0, first_room
    for index, size in enumerate(map(len, characters)):
        used += size
        if used > limit:
            parts.append(characters[begin:index])
            begin, used, limit = index, size, room
    parts.append(characters[begin:])
    return parts
