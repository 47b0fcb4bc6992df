"""Single opt-outs: add, update, delete. Bulk calls are `sendmill.contacts.importer`'s."""

from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.utils import timezone

from sendmill.accounts.models import Client
from sendmill.accounts.resources import find_for_update, touch
from sendmill.addresses import InvalidAddress, address_key, parse_address
from sendmill.errors import InvalidField
from sendmill.optouts.models import OptOut


class _Address(NamedTuple):
    email: str
    key: str


def add_optout(client: Client, *, email: str) -> OptOut:
    """Opt an address out. One that is already opted out keeps its record, which is returned.

    Raises InvalidField("email").
    """
    address = _checked(email)
    now = timezone.now()
    optout, _ = OptOut.objects.get_or_create(
        client=client,
        email_key=address.key,
        defaults={"email": address.email, "created_on": now, "modified_on": now},
    )
    return optout


def update_optout(client: Client, object_id: str, *, email: str) -> OptOut:
    """Change the address of a record. Raises NotFound, and InvalidField("email") if another record holds it."""
    try:
        with transaction.atomic():
            optout = find_for_update(OptOut, client, object_id)
            optout.email, optout.email_key = _checked(email)
            touch(optout)
            optout.save(update_fields=["email", "email_key", "modified_on"])
    except IntegrityError:
        raise InvalidField("email", "This field must be unique.") from None
    return optout


@transaction.atomic
def delete_optout(client: Client, object_id: str) -> None:
    """Delete a record: its address may be mailed again. Raises NotFound."""
    find_for_update(OptOut, client, object_id).delete()


def _checked(email: str) -> _Address:
    try:
        address = parse_address(email)
        return _Address(address, address_key(address))
    except InvalidAddress:
        raise InvalidField("email", "Enter a valid email address.") from None
