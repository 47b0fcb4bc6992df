"""Keys for one purpose each, derived from SENDMILL_SECRET_KEY by HKDF (RFC 5869).

What is made with the key of today is read with it or with one of SENDMILL_SECRET_KEY_FALLBACKS: so the secret can be
changed without links in old mail going dead.
"""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


def derived_keys(purpose: str, length: int) -> list[bytes]:
    """The keys for `purpose`, each of `length` octets: today's first, then those of earlier secrets."""
    return [
        HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose.encode()).derive(secret.encode())
        for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    ]
