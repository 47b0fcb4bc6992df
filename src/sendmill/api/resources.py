"""What senders, opt-outs, messages and contact groups have in common: list, add, get one, update, delete."""

from abc import abstractmethod
from typing import Any, ClassVar, Generic

from django.db import transaction
from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sendmill.accounts.models import Client
from sendmill.accounts.resources import PAGE_ROWS, Resource, find, pages
from sendmill.api.audit import record
from sendmill.api.authentication import client_of
from sendmill.api.rendering import no_content, oid, time_text
from sendmill.api.requests import checked, checked_changes, requested_id, required_id, window
from sendmill.api.streaming import array_of_rows, stream_answer
from sendmill.campaigns.lifecycle import Part, ensure_unused


class ResourceView(APIView, Generic[Resource]):
    """One path for a resource: the list, or with `?_id=` one row.

    `body` has the fields that may be posted; `noun` is what the audit log calls a row; `part` says what a campaign
    needs one as, None for what none needs.
    """

    model: type[Resource]
    noun: ClassVar[str]
    body: ClassVar[type[serializers.Serializer[Any]]]
    part: ClassVar[Part | None] = None
    page_rows: ClassVar[int] = PAGE_ROWS

    @abstractmethod
    def shape(self, row: Resource) -> dict[str, Any]:
        """The row as the API shows it, with its keys in the documented order."""

    @abstractmethod
    def add(self, client: Client, fields: dict[str, Any]) -> Resource:
        """Make a row of all the fields."""

    @abstractmethod
    def change(self, client: Client, object_id: str, fields: dict[str, Any]) -> Resource:
        """Change some of a row's fields."""

    @abstractmethod
    def remove(self, client: Client, object_id: str) -> None:
        """Delete a row that no campaign needs."""

    def get(self, request: Request) -> HttpResponseBase:
        client = client_of(request)
        object_id = requested_id(request)
        if object_id is not None:
            return Response(self.shape(find(self.model, client, object_id)))
        after, limit = window(request, self.model, client)
        rows = pages(self.model, client, after=after, limit=limit, page_rows=self.page_rows)
        return stream_answer(request, array_of_rows(rows, self.shape))

    def post(self, request: Request) -> HttpResponseBase:
        fields = checked(self.body, request)
        with transaction.atomic():
            row = self.add(client_of(request), fields)
            record(request, f"added {self.noun}", str(row))
        return Response(self.shape(row), status=201)

    def put(self, request: Request) -> HttpResponseBase:
        self.updated(request)
        return no_content()

    def updated(self, request: Request) -> Resource:
        """The row that the request names, changed as it says."""
        client = client_of(request)
        object_id = find(self.model, client, required_id(request)).object_id
        fields = checked_changes(self.body, request)
        with transaction.atomic():
            row = self.change(client, object_id, fields)
            record(request, f"changed {self.noun}", str(row))
        return row

    def delete(self, request: Request) -> HttpResponseBase:
        client = client_of(request)
        object_id = required_id(request)
        with transaction.atomic():
            row = find(self.model, client, object_id)
            if self.part:
                ensure_unused(client, self.part, object_id)
            self.remove(client, object_id)
            record(request, f"deleted {self.noun}", str(row))
        return no_content()


def ids_of(row: Resource) -> dict[str, Any]:
    """The keys that every resource begins with."""
    return {"$_id": oid(row.object_id), "client_id": oid(row.client.object_id)}


def times_of(row: Resource) -> dict[str, Any]:
    """The keys that follow a resource's own."""
    return {"created_on": time_text(row.created_on), "modified_on": time_text(row.modified_on)}
