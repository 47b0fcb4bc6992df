"""Makes a campaign from what a user posted, in one piece or not at all.

    read the attributes → check what they refer to → receive the contacts → create everything in one transaction

Nothing is written before everything has been checked but the contacts themselves, and nothing can be seen before the
last step. What a crash leaves of the contacts is seen to by `contacts.maintenance`.
"""

from functools import partial
from typing import BinaryIO, NamedTuple

from django.db import transaction
from django.utils import timezone

from sendmill.accounts.models import Client, ClientResource
from sendmill.campaigns.attributes import (
    Attributes,
    NewMessage,
    Reference,
    UploadedContacts,
    UploadedMessage,
    parse_attributes,
    unknown_id,
)
from sendmill.campaigns.lifecycle import retry_deadline
from sendmill.campaigns.message_file import read_message
from sendmill.campaigns.models import Campaign
from sendmill.contacts.importer import add_group_of, receive_contacts
from sendmill.contacts.models import ContactGroup, Import
from sendmill.contacts.staging import discard
from sendmill.content.library import add_message
from sendmill.content.models import Message
from sendmill.content.template import TemplateError, check_template
from sendmill.errors import InvalidField, InvalidFields, SendmillError, all_of
from sendmill.senders.models import Sender


class Created(NamedTuple):
    """A new campaign, and the object id of the import that filled its group (None with a reused group)."""

    campaign: Campaign
    import_object_id: str | None


def create_campaign(
    client: Client,
    attributes: object,
    csv_file: BinaryIO | None,
    message_file: BinaryIO | None,
    *,
    staged: Import | None = None,
) -> Created:
    """Create a campaign as API.md's "Campaign attributes." has it. With a file not to be called in a transaction.

    `attributes` is parsed JSON of any shape, None when the part was missing. `csv_file` is seekable; a file that the
    attributes don't ask for is not looked at. `staged` has the rows of a file that was read before, by a job of kind
    `stage`; it takes the file's place, and is left as it is when something is refused.

    Raises InvalidFields, whose paths begin with "attributes", "csv_file" or "message_file", and Conflict if the
    import was given up because it was silent for too long. Then nothing is left behind.
    """
    wanted = parse_attributes(attributes)
    _, message, _ = all_of(
        lambda: _require_parts(client, wanted),
        lambda: _readable_message(wanted, message_file),
        lambda: _require_file(wanted, csv_file or staged),
    )
    contacts = staged or _receive_contacts(client, wanted, csv_file)
    if isinstance(contacts, Reference):
        return Created(_create(client, wanted, message, contacts), None)
    try:
        return Created(_create(client, wanted, message, contacts), contacts.object_id)
    except SendmillError:
        if contacts is not staged:
            discard(contacts)
        raise


def _require_parts(client: Client, wanted: Attributes, *, lock: bool = False) -> None:
    """Raise InvalidFields unless all the resources that are to be used exist. `lock` keeps them from being deleted.

    They are locked in the order that `lifecycle` tells.
    """
    parts: list[tuple[type[ClientResource], object, str]] = [
        (Sender, wanted.schedule.sender, "schedule"),
        (Message, wanted.message, "message"),
        (ContactGroup, wanted.contacts, "contact_group"),
    ]
    all_of(
        *[
            partial(_require, client, model, part, section, lock=lock)
            for model, part, section in parts
            if isinstance(part, Reference)
        ]
    )


def _require(client: Client, model: type[ClientResource], part: Reference, section: str, *, lock: bool) -> None:
    rows = model._default_manager.filter(client=client, object_id=part.object_id)
    if lock:
        rows = rows.select_for_update(no_key=True)
    if not rows.values_list("pk", flat=True):
        raise unknown_id(part.key, part.object_id).below("attributes", section)


def _readable_message(wanted: Attributes, message_file: BinaryIO | None) -> NewMessage | Reference:
    """The message to be made, whose templates can be read, or the one to be reused."""
    match wanted.message:
        case Reference():
            return wanted.message
        case NewMessage(description, body):
            path_of_body: tuple[str, ...] = ("attributes", "message", "email_message")
        case UploadedMessage(description):
            body = read_message(message_file)
            path_of_body = ("message_file",)
    all_of(
        lambda: _check_template(description, "attributes", "message", "description"),
        lambda: _check_template(body, *path_of_body),
    )
    return NewMessage(description, body)


def _check_template(source: str, *path: str) -> None:
    try:
        check_template(source)
    except TemplateError as error:
        raise InvalidField(path, str(error)) from None


def _require_file(wanted: Attributes, csv_file: BinaryIO | Import | None) -> None:
    if isinstance(wanted.contacts, UploadedContacts) and csv_file is None:
        raise InvalidField("csv_file", "No file was submitted.")


def _receive_contacts(client: Client, wanted: Attributes, csv_file: BinaryIO | None) -> Import | Reference:
    """The import that holds the uploaded contacts, for a group that is still to be made, or the group to be reused."""
    if isinstance(wanted.contacts, Reference):
        return wanted.contacts
    name_index, email_index = wanted.contacts.name_index, wanted.contacts.email_index
    try:
        return receive_contacts(client, csv_file, name_index=name_index, email_index=email_index)
    except InvalidField as error:
        is_of_file = error.path == ("csv_file",)
        raise InvalidFields([error if is_of_file else error.below("attributes", "contact_group")]) from None


@transaction.atomic
def _create(
    client: Client, wanted: Attributes, message: NewMessage | Reference, contacts: Import | Reference
) -> Campaign:
    """Write everything. The parts are looked for once more, for they may have been deleted while the file came in."""
    _require_parts(client, wanted, lock=True)
    schedule = wanted.schedule
    if isinstance(message, NewMessage):
        message_object_id = add_message(
            client, description=message.description, email_message=message.email_message
        ).object_id
    else:
        message_object_id = message.object_id
    if isinstance(contacts, Import):
        group_object_id = add_group_of(contacts, tag=schedule.name).object_id
    else:
        group_object_id = contacts.object_id
    now = timezone.now()
    return Campaign.objects.create(
        client=client,
        contact_group_object_id=group_object_id,
        sender_object_id=schedule.sender.object_id,
        message_object_id=message_object_id,
        name=schedule.name,
        start_wall_clock=schedule.wall_clock,
        timezone=schedule.timezone,
        starts_at=schedule.starts_at,
        expires_at=retry_deadline(max(schedule.starts_at, now), schedule.expiry_seconds),
        expiry_seconds=schedule.expiry_seconds,
        created_on=now,
        modified_on=now,
    )
