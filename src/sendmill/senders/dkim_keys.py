"""DKIM keys of sending domains: made here, kept encrypted, never shown.

A key is for one client's mail, or for every client's: then whoever may register an address of the domain has it signed.
The newest key of a domain signs; a domain without any is signed by the nearest domain above it that has one, which
DMARC's relaxed alignment takes as its own (RFC 7489 3.1.1).

At rest a private key is encrypted with AES-256-GCM under a key that is derived from SENDMILL_SECRET_KEY
(`secret_key`), bound to its domain and selector.
"""

import base64
import os
import re
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from sendmill.accounts.models import Client
from sendmill.addresses import InvalidAddress, domain_of, parse_address
from sendmill.errors import Conflict, InvalidField, NotFound, SendmillError
from sendmill.secret_key import derived_keys
from sendmill.senders.models import DkimKey

ALGORITHMS = ("rsa", "ed25519")
PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

_RSA_BITS = 2048  # RFC 8301 3.2: at least 1024, should be 2048; longer ones don't fit a TXT record well
_NONCE_BYTES = 12
_is_selector = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?").fullmatch


class UnreadableKey(SendmillError):
    """A stored key can't be decrypted: SENDMILL_SECRET_KEY is not what it was, or somebody changed the row."""


class SigningKey(NamedTuple):
    """A key ready to sign with, and where its public half stands in DNS."""

    domain: str
    selector: str
    key: PrivateKey


def add_key(
    domain: str, selector: str | None = None, algorithm: str = "rsa", client: Client | None = None
) -> SigningKey:
    """Make and store a key for a domain; it signs that client's mail from now on, or everybody's without one.

    Without a selector it is `sm` and today's date. Raises InvalidField ("domain", "selector" or "algorithm") and
    Conflict if the domain has a key with this selector.
    """
    domain = checked_domain(domain)
    now = timezone.now()
    selector = f"sm{now:%Y%m%d}" if selector is None else selector.lower()
    if not _is_selector(selector):
        raise InvalidField("selector", "Letters, digits and hyphens, at most 63, are a selector.")
    if algorithm not in ALGORITHMS:
        raise InvalidField("algorithm", f"Must be one of {', '.join(ALGORITHMS)}.")
    key: PrivateKey = (
        ed25519.Ed25519PrivateKey.generate()
        if algorithm == "ed25519"
        else rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    )
    try:
        with transaction.atomic():
            DkimKey.objects.create(
                domain=domain,
                selector=selector,
                algorithm=algorithm,
                client=client,
                encrypted_key=_encrypted(key, domain, selector),
                created_on=now,
            )
    except IntegrityError:
        raise Conflict(f"{domain} has a key with the selector {selector} already.") from None
    return SigningKey(domain, selector, key)


def remove_key(domain: str, selector: str) -> DkimKey:
    """Delete a key; what it was. Raises InvalidField("domain") and NotFound."""
    found = DkimKey.objects.filter(domain=checked_domain(domain), selector=selector.lower()).first()
    if found is None:
        raise NotFound(f"{domain} has no key with the selector {selector}.")
    found.delete()
    return found


def signing_key(domain: str, client_id: int) -> SigningKey | None:
    """The key that signs a client's mail from a domain (lower case, A-labels); None if there is none.

    Raises UnreadableKey.
    """
    labels = domain.split(".")
    domains = [".".join(labels[index:]) for index in range(len(labels) - 1)]
    found = list(DkimKey.objects.filter(Q(client=None) | Q(client_id=client_id), domain__in=domains))
    if not found:
        return None
    newest = max(found, key=lambda row: (len(row.domain), row.created_on, row.pk))
    return SigningKey(newest.domain, newest.selector, stored_key(newest))


def stored_key(row: DkimKey) -> PrivateKey:
    """The key in a row. Raises UnreadableKey."""
    sealed = base64.b64decode(row.encrypted_key)
    for cipher in _ciphers():
        try:
            octets = cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(row.domain, row.selector))
        except InvalidTag:
            continue
        key = load_der_private_key(octets, password=None)
        assert isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey)
        return key
    raise UnreadableKey(
        f"The DKIM key {row.selector}._domainkey.{row.domain} can't be decrypted: SENDMILL_SECRET_KEY is not the "
        "one it was made with. Name that in SENDMILL_SECRET_KEY_FALLBACKS, or add a new key."
    )


def public_key_record(key: PrivateKey) -> str:
    """What the TXT record at SELECTOR._domainkey.DOMAIN says (RFC 6376 3.6.1, RFC 8463 4)."""
    if isinstance(key, rsa.RSAPrivateKey):
        octets = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return f"v=DKIM1; k=rsa; p={base64.b64encode(octets).decode()}"
    octets = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return f"v=DKIM1; k=ed25519; p={base64.b64encode(octets).decode()}"


def checked_domain(text: str) -> str:
    """A domain in lower case, as A-labels. Raises InvalidField("domain")."""
    try:
        return domain_of(parse_address(f"dkim@{text.strip().rstrip('.')}"))
    except InvalidAddress as error:
        raise InvalidField("domain", f"“{text}” is not a domain: {error.reason}") from None


def _encrypted(key: PrivateKey, domain: str, selector: str) -> str:
    octets = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    nonce = os.urandom(_NONCE_BYTES)
    return base64.b64encode(nonce + _ciphers()[0].encrypt(nonce, octets, _bound_to(domain, selector))).decode("ascii")


def _ciphers() -> list[AESGCM]:
    """Today's, with which keys are encrypted, and those of earlier secrets."""
    return [AESGCM(key) for key in derived_keys("sendmill DKIM keys", 32)]


def _bound_to(domain: str, selector: str) -> bytes:
    return f"{selector}._domainkey.{domain}".encode("ascii")
