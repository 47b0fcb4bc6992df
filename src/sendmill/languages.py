"""The languages that recipients are spoken to in: the footer of a message, and the public pages."""

from collections.abc import Sequence

from django.utils.translation.trans_real import parse_accept_lang_header

LANGUAGES = ("en", "de", "es", "fr", "it", "nl", "pl", "pt")
"""The first is what a client speaks that hasn't chosen."""


def preferred_language(accept_language: str, otherwise: str) -> str:
    """The language that a browser asks for most (RFC 9110 12.5.4), of those there are."""
    wanted: Sequence[tuple[str, float]] = parse_accept_lang_header(accept_language[:500].lower())
    for tag, _ in wanted:
        if tag.partition("-")[0] in LANGUAGES:
            return tag.partition("-")[0]
    return otherwise
