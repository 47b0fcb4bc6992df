"""Registered from-addresses: add, update, delete."""

from django.db import transaction
from django.utils import timezone

from sendmill.accounts.models import Client
from sendmill.accounts.resources import find_for_update, touch
from sendmill.addresses import InvalidAddress, parse_address
from sendmill.errors import InvalidField
from sendmill.senders.models import Sender


def add_sender(client: Client, *, description: str, email: str) -> Sender:
    """Register a from-address. Raises InvalidField("email")."""
    now = timezone.now()
    return Sender.objects.create(
        client=client, description=description, email=_checked(email), created_on=now, modified_on=now
    )


@transaction.atomic
def update_sender(
    client: Client, object_id: str, *, description: str | None = None, email: str | None = None
) -> Sender:
    """Change what is given and leave the rest. Raises NotFound and InvalidField("email")."""
    sender = find_for_update(Sender, client, object_id)
    if description is not None:
        sender.description = description
    if email is not None:
        sender.email = _checked(email)
    touch(sender)
    sender.save(update_fields=["description", "email", "modified_on"])
    return sender


@transaction.atomic
def delete_sender(client: Client, object_id: str) -> None:
    """Delete a from-address. Raises NotFound. That no campaign needs it is for the caller to know."""
    find_for_update(Sender, client, object_id).delete()


def _checked(email: str) -> str:
    try:
        return parse_address(email)
    except InvalidAddress:
        raise InvalidField("email", "Enter a valid email address.") from None
