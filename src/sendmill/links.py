"""Links in a mail that are its recipient's own: `https://mail.example.com/u/TOKEN`.

A token is the client's and the delivery's number and the recipient's address, encrypted and authenticated with AES-SIV
(RFC 5297). So it says nothing to anybody else, can't be made up or changed, and works as long as the client is there:
whatever becomes of campaign, results and contacts, who must not be mailed stands in the token itself. It has no end.
AES-SIV needs no nonce: a repeat of a message has the same links, and no two machines can use one nonce twice. It takes
1 µs; a signature alone would take as long and would show what it signs.

Each kind of link has a key of its own, so that none becomes another: who passes the address of the browser's view on
doesn't pass on the means to unsubscribe.

Base64url (RFC 4648 5) without padding: up to 44 octets of address make a path of less than 100 characters, which no
mail program breaks; longer addresses make longer ones.
"""

import binascii
import functools
import struct
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from django.conf import settings

from sendmill.secret_key import derived_keys

_KEY_OCTETS = 64  # AES-256, twice: SIV has a key for the tag and one for the text
_NUMBERS = struct.Struct("!IQ")  # client, delivery
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_LONGEST_TOKEN = 1_000  # of 254 characters beyond ASCII, of which a domain has at most 150


@dataclass(frozen=True, eq=False, slots=True)
class LinkKind:
    """What a link is for. `path` is the first part of its path; `purpose` names its key and never changes."""

    path: str
    purpose: str

    @property
    def base(self) -> str:
        """What stands before the token."""
        return f"{settings.SENDMILL_PUBLIC_URL}/{self.path}/"


UNSUBSCRIBE = LinkKind("u", "sendmill unsubscribe links")
VIEW_IN_BROWSER = LinkKind("v", "sendmill view in browser links")


class LinkTarget(NamedTuple):
    """Whose link it is: primary keys, and the address that the message went to.

    Delivery 0 is a message of no campaign.
    """

    client_id: int
    delivery_id: int
    email: str


def make_token(kind: LinkKind, client_id: int, delivery_id: int, email: str) -> bytes:
    """The token of a link to what `LinkTarget` names: letters, digits, `-` and `_`. 1.5 µs."""
    return _base64url(_ciphers(kind)[0].encrypt(_NUMBERS.pack(client_id, delivery_id) + email.encode(), None))


def list_headers(base: bytes, token: bytes) -> bytes:
    """The header fields by which mail programs unsubscribe: RFC 2369 3.2, RFC 8058 3.1.

    The address is on one line, because readers exist that don't unfold it.
    """
    return b"List-Unsubscribe: <%b%b>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" % (base, token)


def read_token(kind: LinkKind, token: str) -> LinkTarget | None:
    """Whose link it is; None for what `make_token` didn't make for this kind of link."""
    if not token.isascii() or len(token) > _LONGEST_TOKEN:
        return None
    try:
        sealed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except binascii.Error:
        return None
    if _base64url(sealed) != token.encode():  # Python's decoder passes over what is not of the alphabet
        return None
    for cipher in _ciphers(kind):
        try:
            text = cipher.decrypt(sealed, None)
        except (InvalidTag, ValueError):
            continue
        client_id, delivery_id = _NUMBERS.unpack_from(text)
        return LinkTarget(client_id, delivery_id, text[_NUMBERS.size :].decode())
    return None


def _base64url(octets: bytes) -> bytes:
    return binascii.b2a_base64(octets, newline=False).translate(_URL_SAFE).rstrip(b"=")


@functools.cache
def _ciphers(kind: LinkKind) -> list[AESSIV]:
    return [AESSIV(key) for key in derived_keys(kind.purpose, _KEY_OCTETS)]
