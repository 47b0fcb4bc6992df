"""Single opt-outs: add, update, delete, what links in messages do. Bulk calls are `sendmill.contacts.importer`'s."""

from datetime import timedelta
from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.utils import timezone

from sendmill.accounts.models import Client
from sendmill.accounts.resources import find_for_update, touch
from sendmill.addresses import InvalidAddress, address_key, parse_address
from sendmill.errors import InvalidField
from sendmill.optouts.models import OptOut, OptOutChange, Source
from sendmill.optouts.suppressions import find_suppression

MOST_CHANGES = 100
TAKEN_BACK_WITHIN = timedelta(days=1)


class _Address(NamedTuple):
    email: str
    key: str


def add_optout(client: Client, *, email: str, source: Source = Source.API) -> OptOut:
    """Opt an address out. One that is already opted out keeps its record, which is returned, and its source.

    Raises InvalidField("email").
    """
    return _add(client, email, source)[0]


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


@transaction.atomic
def remove_optout(client: Client, object_id: str, *, reason: str, removed_by: str) -> OptOut:
    """Like `delete_optout`, by somebody who says why, which is kept. Raises NotFound, and InvalidField("reason")."""
    if not reason.strip():
        raise InvalidField("reason", "Say why: an address is mailed again only if its owner agrees.")
    optout = find_for_update(OptOut, client, object_id)
    _record(optout, is_opted_out=False, changed_by=removed_by, reason=reason.strip())
    optout.delete()
    return optout


@transaction.atomic
def opt_out_by_link(client: Client, email: str, campaign_object_id: str) -> None:
    """What the link in a message does, however often: its address is opted out.

    Of somebody who was erased it is not stored again: their suppression says it already.
    """
    if is_suppressed(client, email):
        return
    optout, is_new = _add(client, email, Source.LINK, campaign_object_id)
    if is_new:
        _record(optout, is_opted_out=True)


def may_be_taken_back(optout: OptOut) -> bool:
    """Whether the link may undo it: what it did itself, by mistake. After a day it was none, whoever has the mail."""
    return optout.source == Source.LINK and timezone.now() < optout.created_on + TAKEN_BACK_WITHIN


@transaction.atomic
def take_back_by_link(client: Client, email: str) -> None:
    """Undo what a link did, by the recipient's own click, if it may be."""
    optout = OptOut.objects.select_for_update().filter(client=client, email_key=_checked(email).key).first()
    if optout is not None and may_be_taken_back(optout):
        _record(optout, is_opted_out=False)
        optout.delete()


def is_suppressed(client: Client, email: str) -> bool:
    """Whether whoever has this address was erased, and is never mailed."""
    return find_suppression(client, _checked(email).key) is not None


def find_optout(client: Client, email: str) -> OptOut | None:
    """The record of an address, None if it isn't opted out."""
    return OptOut.objects.filter(client=client, email_key=_checked(email).key).first()


def _add(client: Client, email: str, source: Source, campaign_object_id: str = "") -> tuple[OptOut, bool]:
    """The record, and whether it is new."""
    address = _checked(email)
    now = timezone.now()
    return OptOut.objects.get_or_create(
        client=client,
        email_key=address.key,
        defaults={
            "email": address.email,
            "source": source,
            "campaign_object_id": campaign_object_id,
            "created_on": now,
            "modified_on": now,
        },
    )


def changes_of(client: Client, email_key: str) -> list[OptOutChange]:
    """What is known of an address's opting out and in again, newest first."""
    changes = OptOutChange.objects.filter(client=client, email_key=email_key)
    return list(changes.order_by("-pk")[:MOST_CHANGES])


@transaction.atomic
def forget_address(client: Client, email_key: str) -> None:
    """Delete its opt-out and all that is known of it; that it is never mailed again is a suppression's business."""
    OptOut.objects.filter(client=client, email_key=email_key).delete()
    OptOutChange.objects.filter(client=client, email_key=email_key).delete()


def _record(optout: OptOut, *, is_opted_out: bool, changed_by: str = "", reason: str = "") -> None:
    OptOutChange.objects.create(
        client=optout.client,
        email_key=optout.email_key,
        is_opted_out=is_opted_out,
        campaign_object_id=optout.campaign_object_id,
        changed_by=changed_by,
        reason=reason,
        changed_on=timezone.now(),
    )


def _checked(email: str) -> _Address:
    try:
        address = parse_address(email)
        return _Address(address, address_key(address))
    except InvalidAddress:
        raise InvalidField("email", "Enter a valid email address.") from None
