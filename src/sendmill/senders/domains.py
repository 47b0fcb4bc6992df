"""The domains that a client sends from, and the DKIM keys that sign its mail from there."""

from typing import NamedTuple

from django.db.models import Q

from sendmill.accounts.models import Client
from sendmill.addresses import domain_of
from sendmill.errors import NotFound
from sendmill.senders import dkim_keys
from sendmill.senders.models import DkimKey, Sender


class KeyOfDomain(NamedTuple):
    """`is_own`: the client made it, and may remove it; others are the installation's."""

    key: DkimKey
    is_own: bool


def ensure_own_domain(client: Client, domain: str) -> None:
    """Raises NotFound unless an address of the client is in the domain (lower case, A-labels)."""
    emails = Sender.objects.filter(client=client).values_list("email", flat=True)
    if not any(domain_of(email) == domain for email in emails.iterator()):
        raise NotFound("No sender of yours has an address in this domain.")


def keys_of_domain(client: Client, domain: str) -> list[KeyOfDomain]:
    """The keys that may sign the client's mail from exactly this domain, newest first: the first one does."""
    rows = DkimKey.objects.filter(Q(client=None) | Q(client=client), domain=domain).order_by("-created_on", "-pk")
    return [KeyOfDomain(row, row.client_id == client.pk) for row in rows]


def add_own_key(client: Client, domain: str, *, selector: str, algorithm: str) -> DkimKey:
    """Make a key that signs this client's mail from its domain, from now on. Raises NotFound and as `add_key`."""
    ensure_own_domain(client, domain)
    made = dkim_keys.add_key(domain, selector or None, algorithm, client)
    return DkimKey.objects.get(domain=made.domain, selector=made.selector)


def remove_own_key(client: Client, domain: str, selector: str) -> None:
    """Raises NotFound for a key that isn't the client's own."""
    deleted, _ = DkimKey.objects.filter(client=client, domain=domain, selector=selector).delete()
    if not deleted:
        raise NotFound("There is no such key of yours.")
