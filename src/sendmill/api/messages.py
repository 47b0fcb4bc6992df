"""`/email/message/`: what campaigns say."""

from typing import Any

from rest_framework import serializers

from sendmill.accounts.models import Client
from sendmill.api.openapi import describe_resource
from sendmill.api.requests import Text
from sendmill.api.resources import ResourceView, ids_of, times_of
from sendmill.campaigns.lifecycle import Part
from sendmill.content import library
from sendmill.content.models import Message


class MessageBody(serializers.Serializer[Any]):
    description = Text(help_text="A friendly name for your email. This will also be the subject of your email.")
    email_message = Text(help_text="The contents of the email that will be sent to your contact group.")


@describe_resource("Message", "message", MessageBody, needed=True)
class MessageView(ResourceView[Message]):
    model = Message
    noun = "a message"
    body = MessageBody
    part = Part.MESSAGE
    page_rows = 10  # one message may have 16 MiB

    def shape(self, row: Message) -> dict[str, Any]:
        return {
            **ids_of(row),
            "description": row.description,
            "email_message": row.email_message,
            **times_of(row),
        }

    def add(self, client: Client, fields: dict[str, Any]) -> Message:
        return library.add_message(client, **fields)

    def change(self, client: Client, object_id: str, fields: dict[str, Any]) -> Message:
        return library.update_message(client, object_id, **fields)

    def remove(self, client: Client, object_id: str) -> None:
        library.delete_message(client, object_id)
