"""Reading the mail that the demo has sent: the Maildir's messages, as a mail program would show them."""

import email
import email.header
import email.message
import email.utils
from collections.abc import Iterator
from pathlib import Path

SHOWN_HEADERS = ("From", "To", "Subject", "Date", "Message-ID")


def message_paths(outbox: Path) -> list[Path]:
    """The delivered messages of a Maildir (maildir(5): in `new` until a mail program has looked at them)."""
    return sorted(path for folder in ("new", "cur") for path in (outbox / folder).glob("*") if path.is_file())


def messages(outbox: Path) -> Iterator[tuple[Path, email.message.Message]]:
    """Every message with its file."""
    for path in message_paths(outbox):
        yield path, email.message_from_bytes(path.read_bytes())


def address_of(message: email.message.Message) -> str:
    """The address in its To header."""
    return email.utils.parseaddr(str(message["To"]))[1]


def decoded_header(message: email.message.Message, name: str) -> str:
    """A header as a person reads it (RFC 2047 words decoded, folding undone)."""
    return " ".join(str(email.header.make_header(email.header.decode_header(str(message[name])))).split())


def decoded_text(message: email.message.Message) -> str:
    """The text of its first text/plain part, or an empty one."""
    for part in message.walk():
        if part.get_content_type() == "text/plain":
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            return content.decode(part.get_content_charset() or "utf-8", "replace")
    return ""
