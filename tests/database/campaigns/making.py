"""Rows that tests of campaigns and results start from."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from sendmill.accounts.models import Client
from sendmill.campaigns.models import Campaign
from sendmill.contacts.models import ContactGroup, ContactSet
from sendmill.content.models import Message
from sendmill.senders.models import Sender


def make_client(name: str = "Client") -> Client:
    return Client.objects.create(name=name)


def make_sender(client: Client, email: str = "from@example.com") -> Sender:
    now = timezone.now()
    return Sender.objects.create(client=client, description="Sender", email=email, created_on=now, modified_on=now)


def make_message(client: Client, subject: str = "Hello {{ name }}", body: str = "Good day.") -> Message:
    now = timezone.now()
    return Message.objects.create(
        client=client, description=subject, email_message=body, created_on=now, modified_on=now
    )


def make_group(client: Client, tag: str = "Group") -> ContactGroup:
    now = timezone.now()
    contact_set = ContactSet.objects.create()
    return ContactGroup.objects.create(client=client, tag=tag, contact_set=contact_set, created_on=now, modified_on=now)


def make_campaign(client: Client, **fields: Any) -> Campaign:
    """An active campaign of new parts that has been due for a minute; `fields` says what is otherwise."""
    then = timezone.now() - timedelta(minutes=1)
    defaults: dict[str, Any] = {
        "name": "Spring",
        "start_wall_clock": f"{then:%Y-%m-%d %H:%M}",
        "timezone": "UTC",
        "starts_at": then,
        "expires_at": then + timedelta(hours=48),
        "created_on": then,
        "modified_on": then,
    }
    for column, make in (
        ("sender_object_id", make_sender),
        ("message_object_id", make_message),
        ("contact_group_object_id", make_group),
    ):
        if column not in fields:
            defaults[column] = make(client).object_id
    return Campaign.objects.create(client=client, **{**defaults, **fields})
