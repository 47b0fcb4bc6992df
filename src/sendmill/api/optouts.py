"""`/email/optout/`: addresses that are never mailed. Bulk calls are in `imports`."""

from typing import Any

from rest_framework import serializers

from sendmill.accounts.models import Client
from sendmill.api.openapi import describe_resource
from sendmill.api.requests import Address
from sendmill.api.resources import ResourceView, ids_of, times_of
from sendmill.optouts import registry
from sendmill.optouts.models import OptOut


class OptOutBody(serializers.Serializer[Any]):
    email = Address(help_text="The email address that should be added to the blacklist.")


@describe_resource("OptOut", "opt-out", OptOutBody)
class OptOutView(ResourceView[OptOut]):
    model = OptOut
    noun = "an opt-out"
    body = OptOutBody

    def shape(self, row: OptOut) -> dict[str, Any]:
        return {**ids_of(row), "email": row.email, **times_of(row)}

    def add(self, client: Client, fields: dict[str, Any]) -> OptOut:
        return registry.add_optout(client, **fields)

    def change(self, client: Client, object_id: str, fields: dict[str, Any]) -> OptOut:
        return registry.update_optout(client, object_id, **fields)

    def remove(self, client: Client, object_id: str) -> None:
        registry.delete_optout(client, object_id)
