"""SMTP replies: bytes from a server → codes and texts (RFC 5321 4.2, RFC 3463). Pure."""

import re

MAX_REPLY_BYTES = 16_384
"""The longest reply that is read. RFC 5321 4.5.3.1.5 allows 512 octets a line; servers do write more, and EHLO has
some twenty lines. What goes beyond this is no SMTP server, and must not fill the memory."""

MAX_TEXT_CHARACTERS = 500
"""How much of a reply's text is kept with a recipient's result."""

_CODES = {b"%d" % code: code for code in range(200, 600)}
_ONE_LINE = {b"%d " % code: code for code in range(200, 600)}
_all_accepted = re.compile(rb"250 ([^\r\n]*+)\r\n250 [^\r\n]*+\r\n250 [^\r\n]*+\r\n354 [^\r\n]*+\r\n").fullmatch
_MOST_IN_ONE_LOOK = 2_048
_TOO_LONG = f"the reply is longer than {MAX_REPLY_BYTES} bytes"
_ENHANCED = re.compile(rb"([245])\.(\d{1,3})\.(\d{1,3})(?=\s|$)")


class ReplyParser:
    """Cuts what a server sends into replies, however it arrives in packets.

    A reply is (code 200..599, text). The text of several lines is joined by LF, without codes and line ends. Bare LF
    ends a line too, as servers exist that write it. Of a multi-line reply with differing codes the last counts.
    """

    __slots__ = ("_collected", "_lines", "_partial", "broken")

    def __init__(self) -> None:
        self._partial = b""
        self._lines: list[bytes] = []
        self._collected = 0
        self.broken: str | None = None
        """Why nothing more can be read: what came is not SMTP. None while all is well."""

    @property
    def is_between_replies(self) -> bool:
        """Whether everything fed so far was whole replies."""
        return not self._partial and not self._lines

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The replies that `data` completes. Check `broken` after using them; once it is set, nothing more comes."""
        replies: list[tuple[int, bytes]] = []
        if self.broken is not None:
            return replies
        if self._partial:
            data = self._partial + data
        lines = data.split(b"\n")
        self._partial = lines.pop()
        for line in lines:
            code = _ONE_LINE.get(line[:4])
            if code is not None and not self._lines and len(line) <= MAX_REPLY_BYTES:
                replies.append((code, line[4:].rstrip()))
            elif not self._collect(line, replies):
                return replies
        if self._collected + len(self._partial) > MAX_REPLY_BYTES:
            self.broken = _TOO_LONG
        return replies

    def _collect(self, line: bytes, replies: list[tuple[int, bytes]]) -> bool:
        """Any line that is not a whole reply in the usual form. False: the parser is broken."""
        code = _CODES.get(line[:3])
        separator = line[3:4]
        self._collected += len(line)
        if code is None or separator not in (b" ", b"-", b"\r", b""):
            self.broken = "the answer is not an SMTP reply"
        elif self._collected > MAX_REPLY_BYTES:
            self.broken = _TOO_LONG
        else:
            self._lines.append(line[4:].rstrip())
            if separator != b"-":
                replies.append((code, b"\n".join(self._lines)))
                self._lines.clear()
                self._collected = 0
        return self.broken is None


def all_accepted(data: bytes) -> bytes | None:
    """The text of the first reply if `data` is exactly 250, 250, 250, 354, a line each; else None."""
    match = _all_accepted(data) if len(data) <= _MOST_IN_ONE_LOOK else None
    return None if match is None else match[1].rstrip()


def readable(text: bytes) -> str:
    """A reply's text for people, logs and the database: one line of printable characters, at most 500.

    An enhanced code that is repeated on every line stays only at the beginning.
    """
    if b"\n" in text:
        first, *others = text.split(b"\n")
        match = _ENHANCED.match(first)
        if match is not None:
            others = [other.removeprefix(match[0]).lstrip() for other in others]
        text = b" ".join([first, *others])
    line = text[: 4 * MAX_TEXT_CHARACTERS].decode("utf-8", "replace")
    if not line.isprintable():
        line = "".join(character if character.isprintable() else " " for character in line)
    return line[:MAX_TEXT_CHARACTERS]
