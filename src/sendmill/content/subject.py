"""A campaign's subject, compiled once: what is the same for all recipients is encoded before the first.

A subject with anything beyond ASCII in it is a series of encoded-words (RFC 2047), and white space between two of them
is no part of the text. So each piece of the template can be words of its own: those of its texts are made once, and a
value is one word more. 1 µs a message, where encoding the whole subject takes 9 µs.
"""

from collections.abc import Mapping

from sendmill.content.characters import clean_text, header_text
from sendmill.content.headers import encoded_word, encoded_words, text_header
from sendmill.content.template import RenderError, Template
from sendmill.content.template_reader import Piece

MAX_HEADER_TEXT = 10_000  # characters of a subject or a name; servers refuse headers of 64 to 128 KB


class Subject:
    """A subject of which only a recipient's values are missing."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._is_ascii = all(not isinstance(piece, str) or piece.isascii() for piece in template.pieces)
        self._words: list[bytes] = []
        # The variables, with the places of their values among the words.
        self._values: list[tuple[int, str]] = []
        self._has_words = template.is_plain and self._read_words(template.pieces)

    def header(self, variables: Mapping[str, str]) -> bytes:
        """The header field with its CRLF. Raises RenderError."""
        if not self._is_ascii:
            return self._header_of_words(variables) or self._header_of_text(self._template.render(variables))
        text = self._template.render(variables)
        if text.isascii():
            return self._header_of_text(text)
        return self._header_of_words(variables) or self._header_of_text(text)

    def _read_words(self, pieces: tuple[Piece, ...]) -> bool:
        """Encode the texts. False if they can't stand as they are in any subject."""
        column = len("Subject: ")
        characters = 0
        for piece in pieces:
            if isinstance(piece, str):
                # Spaces at the ends of a subject are dropped, those of other pieces stay.
                text = piece.lstrip(" ") if piece is pieces[0] else piece
                text = text.rstrip(" ") if piece is pieces[-1] else text
                if not text or not text.isprintable():
                    return False
                characters += len(text)
                self._words.append(encoded_words(text, column).encode("ascii"))
            else:
                self._values.append((len(self._words), piece.variable or ""))
                self._words.append(b"")
            column = 1
        return bool(pieces) and characters + 75 * len(self._values) < MAX_HEADER_TEXT

    def _header_of_words(self, variables: Mapping[str, str]) -> bytes | None:
        """The header field, or None if a value is not one word: a long one, none at all, or one to be cleaned."""
        if not self._has_words:
            return None
        words = self._words.copy()
        for place, variable in self._values:
            word = encoded_word(variables.get(variable, ""))
            if word is None:
                return None
            words[place] = word
        return b"Subject: %b\r\n" % b"\r\n ".join(words)

    @staticmethod
    def _header_of_text(text: str) -> bytes:
        return text_header("Subject", checked_header_text("subject", text))


def checked_header_text(what: str, text: str) -> str:
    """`text` for a header, on one line. Raises RenderError if there is too much of it."""
    if len(text) > MAX_HEADER_TEXT:
        raise RenderError(f"The {what} has {len(text)} characters; {MAX_HEADER_TEXT} is the most.")
    return header_text(clean_text(text))
