"""DKIM signatures for messages of our own compiler (RFC 6376, RFC 8463). Pure.

A signature is a header field in front of the message. Canonicalisation is relaxed for the header, which relays do fold
anew, and simple for the body: a compiled body is quoted-printable or base64 in lines of at most 76 octets, in which no
relay has anything to rewrite, and simple costs nothing where relaxed would look at every space of 4 KB.

Signed are From, once more than it is there, so that nobody can add a second one (RFC 6376 8.15); what a reader sees of
the rest of the header; how the body is to be read; and every List- field.
"""

import base64
import hashlib
import re
from functools import lru_cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

PrivateKey = RSAPrivateKey | Ed25519PrivateKey

_SIGNED = frozenset(
    b"from to subject date message-id reply-to mime-version content-type content-transfer-encoding".split()
)
_LINE = 72  # octets of a folded line of base64

_white_space = re.compile(rb"[ \t]+").sub
_fields = re.compile(rb"([!-9;-~]+)[ \t]*:[ \t]*([^\r]*)\r\n").findall


class Signer:
    """Signs the messages of one domain with one key. What is the same for all of them is made once."""

    def __init__(self, domain: str, selector: str, key: PrivateKey) -> None:
        """`domain` in A-labels; `selector` is where below `_domainkey.DOMAIN` the public key stands."""
        self._key = key
        algorithm = "rsa" if isinstance(key, RSAPrivateKey) else "ed25519"
        tags = f"v=1; a={algorithm}-sha256; c=relaxed/simple;\r\n d={domain};\r\n s={selector};"
        self._tags = tags.encode("ascii")
        # The field up to its body hash, as it is sent and as it is signed, by the names of the fields that it signs.
        self._beginnings: dict[tuple[bytes, ...], tuple[bytes, bytes]] = {}

    def sign(self, message: bytes) -> bytes:
        """The DKIM-Signature field of a message, with its CRLF. 20 µs beside the signature itself for 4 KB."""
        header, _, body = message.partition(b"\r\n\r\n")
        unfolded = header.replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t") + b"\r\n"
        fields = [(name, value) for written, value in _fields(unfolded) if (name := _signed_name(written))]
        # Of fields with one name the last is signed first (RFC 6376 5.4.2).
        fields.reverse()
        sent, signed = self._beginning(tuple([name for name, _ in fields]))
        body_hash = base64.b64encode(hashlib.sha256(_simple(body)).digest())
        canonical = [b"%b:%b\r\n" % (name, _relaxed(value)) for name, value in fields]
        canonical.append(b"%b%b; b=" % (signed, body_hash))
        signature = base64.b64encode(self._signature(b"".join(canonical)))
        lines = [signature[begin : begin + _LINE] for begin in range(0, len(signature), _LINE)]
        return b"%b%b;\r\n b=%b\r\n" % (sent, body_hash, b"\r\n ".join(lines))

    def _beginning(self, names: tuple[bytes, ...]) -> tuple[bytes, bytes]:
        found = self._beginnings.get(names)
        if found is None:
            listed = [*names, b"from"]
            beginning = b"%b\r\n h=%b;\r\n bh=" % (self._tags, b":\r\n ".join(listed))
            found = b"DKIM-Signature: " + beginning, b"dkim-signature:" + beginning.replace(b"\r\n", b"")
            self._beginnings[names] = found
        return found

    def _signature(self, data: bytes) -> bytes:
        if isinstance(self._key, RSAPrivateKey):
            return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return self._key.sign(hashlib.sha256(data).digest())  # RFC 8463 3: of the hash, not of the data


# A few names, of which a campaign has no others: bounded all the same.
@lru_cache(maxsize=64)
def _signed_name(written: bytes) -> bytes:
    """A field's name in small letters if the field is signed, else nothing."""
    name = written.lower()
    return name if name in _SIGNED or name.startswith(b"list-") else b""


def _relaxed(value: bytes) -> bytes:
    """A field's value, unfolded, in relaxed canonicalisation (RFC 6376 3.4.2). Most have nothing to change."""
    if b"  " in value or b"\t" in value:
        value = _white_space(b" ", value)
    return value.rstrip(b" ")


def _simple(body: bytes) -> bytes:
    """The body in simple canonicalisation (RFC 6376 3.4.3): one line break at its end, and no empty lines before it."""
    if body.endswith(b"\r\n") and not body.endswith(b"\r\n\r\n"):
        return body
    while body.endswith(b"\r\n"):
        body = body[:-2]
    return body + b"\r\n"
