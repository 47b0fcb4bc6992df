"""`/email/senderid/`: registered from-addresses."""

from typing import Any

from rest_framework import serializers

from sendmill.accounts.models import Client
from sendmill.api.openapi import describe_resource
from sendmill.api.requests import Address, Text
from sendmill.api.resources import ResourceView, ids_of, times_of
from sendmill.campaigns.lifecycle import Part
from sendmill.senders import registry
from sendmill.senders.models import Sender


class SenderBody(serializers.Serializer[Any]):
    description = Text(help_text="An easy to remember name for the registered email.")
    email = Address(help_text="A valid email that will be used as a from address when sending out email messages.")


@describe_resource("Sender", "registered from-address", SenderBody, needed=True)
class SenderView(ResourceView[Sender]):
    model = Sender
    noun = "a sender"
    body = SenderBody
    part = Part.SENDER

    def shape(self, row: Sender) -> dict[str, Any]:
        return {**ids_of(row), "description": row.description, "email": row.email, **times_of(row)}

    def add(self, client: Client, fields: dict[str, Any]) -> Sender:
        return registry.add_sender(client, **fields)

    def change(self, client: Client, object_id: str, fields: dict[str, Any]) -> Sender:
        return registry.update_sender(client, object_id, **fields)

    def remove(self, client: Client, object_id: str) -> None:
        registry.delete_sender(client, object_id)
