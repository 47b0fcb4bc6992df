"""A message as one person gets it: made by the sending path itself and taken apart again. Pure."""

import email
from collections.abc import Mapping
from email.header import decode_header, make_header
from email.message import Message as ParsedMessage
from itertools import takewhile
from typing import NamedTuple

from sendmill.content.compile import Recipient, compile_message
from sendmill.content.segments import variables_of
from sendmill.content.template_reader import read_template
from sendmill.content.template_tag import Tag

_SENDER = "sender@example.com"
_MESSAGE_ID = "preview@example.com"
_DATE = "Thu, 01 Jan 1970 00:00:00 +0000"
_TOKEN = b"preview"
"""Links in a preview lead to nobody: who looks at one must not be able to unsubscribe the person it is shown as."""


class MessagePreview(NamedTuple):
    """`html` is None for a message of text alone. `html_octets` is how large the HTML is that mail programs get."""

    subject: str
    html: str | None
    text: str
    html_octets: int


def preview_message(subject: str, body: str, recipient: Recipient, link_bases: Mapping[str, str]) -> MessagePreview:
    """`subject` and `body` are templates. Raises TemplateError and RenderError."""
    compiled = compile_message(subject, body, _SENDER, link_bases)
    tokens = dict.fromkeys(compiled.used_links, _TOKEN)
    content = compiled.render(recipient, _MESSAGE_ID, _DATE, tokens=tokens)
    message = email.message_from_bytes(content)
    parts = {part.get_content_type(): _decoded(part) for part in message.walk() if not part.is_multipart()}
    html = parts.get("text/html")
    shown_subject = str(make_header(decode_header(message.get("Subject", ""))))
    return MessagePreview(shown_subject, html, parts.get("text/plain", ""), len((html or "").encode()))


def variables_in(template: str) -> frozenset[str]:
    """The variables that a template needs of a contact: not those that it makes itself. Raises TemplateError."""
    pieces = read_template(template)
    made: set[str] = set()
    for tag in pieces:
        if isinstance(tag, Tag) and tag.keyword in ("for", "set"):
            before = takewhile(lambda token: token.text not in ("in", "="), tag.tokens)
            made.update(token.text for token in before if token.kind == "variable")
    return variables_of(pieces) - made


def _decoded(part: "ParsedMessage[str, str]") -> str:
    octets = part.get_payload(decode=True)
    assert isinstance(octets, bytes), "not a multipart"
    return octets.decode("utf-8", "replace").replace("\r\n", "\n")
