"""Texts that break mail, and what is meant to arrive of them; written without a look at the code under test."""

from hypothesis import strategies as st

NASTY = [
    "\r\n",
    "\n",
    "\r",
    "\n.\n",
    "\r.\r\n",
    "\r\n.\r\n",
    "\n\n",
    ".",
    "..",
    "...." * 30,
    "\x00",
    "\x0b",
    "\x0c",
    "\x1b[31m",
    "\x7f",
    "\x85",
    "\u2028",
    "\u2029",
    "\ufeff",
    "\ud800",
    "\udfff",
    "\ud83d\ude00",
    "😀",
    "Ärger",
    "Привет, мир",
    "北京",
    "=?utf-8?q?=0D=0ABcc:_evil@example.org?=",
    "=?utf-8?b?DQpCY2M6IGU=?=",
    "\r\nBcc: evil@example.org\r\n",
    "\r\n\r\nbody",
    "{{ evil }}",
    "{% for %}",
    "<script>&\"'/",
    "From me",
    "\nFrom me",
    "=3D",
    "=",
    "=\r\n",
    " ",
    "  ",
    "\t",
    " \n",
    "--=_",
    "a" * 75,
    "a" * 76,
    "x" * 10_000,
    "ü" * 500,
    "word " * 40,
    '"',
    "\\",
    "<a@b.c>",
    ",",
    "(comment)",
    "a" * 74 + ".",
    "x/y",
    "'",
]

ANY_TEXT = st.lists(st.sampled_from(NASTY) | st.text(st.characters(), max_size=30), max_size=6).map("".join)

_BREAKS_LINES = ("\r\n", "\r", "\n")


def meant_in_body(text: str) -> str:
    """What a body is to hold of `text`, with LF for line breaks."""
    for line_break in _BREAKS_LINES:
        text = text.replace(line_break, "\n")
    kept = [
        character for character in text if character in "\n\t" or not (ord(character) < 32 or ord(character) == 127)
    ]
    return "".join(["\ufffd" if 0xD800 <= ord(character) <= 0xDFFF else character for character in kept])


def meant_in_header(text: str) -> str:
    """What a header is to hold of `text`."""
    result = ""
    for character in meant_in_body(text):
        if ord(character) < 32 or 127 <= ord(character) < 160 or character in "\u2028\u2029":
            result += "" if result.endswith("\n") else "\n"
        else:
            result += character
    return result.replace("\n", " ").strip(" ")


def without_tags(source: str) -> str:
    """`source` without what would be a tag of a template or of HTML."""
    return source.replace("{", "(").replace("<", "(")
