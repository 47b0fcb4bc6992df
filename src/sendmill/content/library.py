"""A client's messages: add, update, delete."""

from django.db import transaction
from django.utils import timezone

from sendmill.accounts.models import Client
from sendmill.accounts.resources import find_for_update, touch
from sendmill.content.models import Message
from sendmill.content.template import TemplateError, check_template
from sendmill.errors import InvalidField, all_of


def add_message(client: Client, *, description: str, email_message: str) -> Message:
    """A new message. Raises InvalidField("description") or ("email_message") for a template that can't be read."""
    _check(description=description, email_message=email_message)
    now = timezone.now()
    return Message.objects.create(
        client=client, description=description, email_message=email_message, created_on=now, modified_on=now
    )


def update_message(
    client: Client, object_id: str, *, description: str | None = None, email_message: str | None = None
) -> Message:
    """Change what is given and leave the rest. Raises NotFound, and InvalidField as `add_message` does."""
    _check(description=description, email_message=email_message)
    with transaction.atomic():
        message = find_for_update(Message, client, object_id)
        if description is not None:
            message.description = description
        if email_message is not None:
            message.email_message = email_message
        touch(message)
        message.save(update_fields=["description", "email_message", "modified_on"])
    return message


@transaction.atomic
def delete_message(client: Client, object_id: str) -> None:
    """Delete a message. Raises NotFound. That no campaign needs it is for the caller to know."""
    find_for_update(Message, client, object_id).delete()


def check_message(*, description: str, email_message: str) -> None:
    """Raise InvalidFields with each template that can't be read, by the field's name."""
    all_of(lambda: _check(description=description), lambda: _check(email_message=email_message))


def _check(**templates: str | None) -> None:
    for field, source in templates.items():
        try:
            check_template(source or "")
        except TemplateError as error:
            raise InvalidField(field, str(error)) from None
