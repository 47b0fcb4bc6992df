"""People who were erased: nothing of them is kept, and they are never mailed again.

What stays is a digest of their address (BLAKE2b, RFC 7693) under a key derived from SENDMILL_SECRET_KEY. So whoever has
the database alone can't find out who it was by trying addresses, and an address that comes back with the next import is
still known. A digest made with an earlier secret counts as long as that is in SENDMILL_SECRET_KEY_FALLBACKS.
"""

import functools
from collections.abc import Collection
from hashlib import blake2b

from django.db import IntegrityError, transaction
from django.utils import timezone

from sendmill.accounts.models import Client
from sendmill.addresses import address_key
from sendmill.errors import NotFound
from sendmill.optouts.models import Suppression
from sendmill.secret_key import derived_keys

ERASED_ADDRESS = "erased@erased.invalid"
"""What stands in results where the address was. Nobody can have it (RFC 2606), and it is never mailed."""

_KEY_OCTETS = 64
_DIGEST_OCTETS = 20
_KEY_ID_OCTETS = 4


def suppress(client: Client, email_key: str) -> None:
    """Never mail this address (its key) again, nor keep it. To be called in a transaction."""
    if find_suppression(client, email_key) is not None:
        return
    key = _keys()[0]
    try:
        with transaction.atomic():
            Suppression.objects.create(
                client=client, digest=_digest(key, email_key), secret_id=_secret_id(key), suppressed_on=timezone.now()
            )
    except IntegrityError:  # somebody else has done it in this moment
        return


def find_suppression(client: Client, email_key: str) -> Suppression | None:
    """The suppression of an address, None if there is none."""
    return Suppression.objects.filter(client=client, digest__in=[_digest(key, email_key) for key in _keys()]).first()


def lift_suppression(client: Client, email: str) -> None:
    """The person has asked to be mailed again. `email` is an address that `parse_address` returned.

    Raises NotFound.
    """
    found = find_suppression(client, address_key(email))
    if found is None:
        raise NotFound("Nobody with this address was erased.")
    found.delete()


def suppressed_among(client_id: int, email_keys: Collection[str]) -> set[str]:
    """Those of the keys (at most a few hundred) whose people were erased. 1 µs for each and a look into an index."""
    by_digest = {_digest(key, email_key): email_key for key in _keys() for email_key in email_keys}
    found = Suppression.objects.filter(client_id=client_id, digest__in=by_digest)
    return {by_digest[digest] for digest in found.values_list("digest", flat=True)}


def lost_suppressions() -> int:
    """How many were made under a secret that isn't known any more: their people would be mailed."""
    return Suppression.objects.exclude(secret_id__in=[_secret_id(key) for key in _keys()]).count()


def _digest(key: bytes, email_key: str) -> str:
    return blake2b(email_key.encode(), key=key, digest_size=_DIGEST_OCTETS).hexdigest()


def _secret_id(key: bytes) -> str:
    """Tells one secret from another and says nothing of either."""
    return blake2b(b"", key=key, digest_size=_KEY_ID_OCTETS).hexdigest()


@functools.cache
def _keys() -> list[bytes]:
    return derived_keys("sendmill suppressions", _KEY_OCTETS)
