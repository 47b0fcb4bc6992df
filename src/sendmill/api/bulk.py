"""Bulk calls: a CSV file for a contact group or for the opt-outs.

They are answered with 200 and an empty body, as documented; a header has the id under which `/email/import/` tells
what became of the rows.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sendmill.accounts.models import Client
from sendmill.accounts.resources import find
from sendmill.api.audit import record
from sendmill.api.authentication import client_of
from sendmill.api.body import MultiPartParser
from sendmill.api.openapi import ID, IMPORT_HEADER, WRITE, answers, csv_form
from sendmill.api.requests import checked, required_id
from sendmill.api.uploads import uploaded_file
from sendmill.contacts.importer import run_import
from sendmill.contacts.models import ACTIONS, ContactGroup, ImportKind

_NAME_INDEX = "The index of the name column in the CSV file. Note that indexes start from 0."
_EMAIL_INDEX = "The index of the email column in the CSV file. Note that indexes start from 0."


class ColumnsBody(serializers.Serializer[Any]):
    name_index = serializers.IntegerField(min_value=0, help_text=_NAME_INDEX)
    email_index = serializers.IntegerField(min_value=0, help_text=_EMAIL_INDEX)


class EmailColumnBody(serializers.Serializer[Any]):
    email_index = serializers.IntegerField(min_value=0, help_text=_EMAIL_INDEX)


class OptionalEmailColumnBody(serializers.Serializer[Any]):
    email_index = serializers.IntegerField(min_value=0, required=False, help_text=_EMAIL_INDEX)


class BulkView(APIView):
    """A bulk call of one kind."""

    parser_classes = (MultiPartParser,)
    kind: ClassVar[ImportKind]
    body: ClassVar[type[serializers.Serializer[Any]]]

    def post(self, request: Request) -> HttpResponseBase:
        client = client_of(request)
        group = self.group(client, request)
        file = uploaded_file(request, "csv_file")
        done = run_import(client, self.kind, group, file, **checked(self.body, request))
        record(request, ACTIONS[self.kind], group.tag if group else "")
        return Response(status=200, headers={IMPORT_HEADER.name: done.object_id})

    def group(self, client: Client, request: Request) -> ContactGroup | None:
        return find(ContactGroup, client, required_id(request))


def _described(name: str, summary: str, form: dict[str, Any], parameters: Sequence[OpenApiParameter]) -> Any:
    return extend_schema_view(
        post=extend_schema(
            operation_id=name,
            summary=summary,
            tags=["bulk operations"],
            parameters=[*parameters, IMPORT_HEADER],
            request={"multipart/form-data": form},
            responses=answers({200: None}, (*WRITE, *((404,) if parameters else ()), 409, 507)),
        )
    )


@_described("replaceContacts", "Replace all contacts of a group", csv_form("name_index", "email_index"), [ID])
class ContactReplaceView(BulkView):
    kind = ImportKind.REPLACE
    body = ColumnsBody


@_described("updateContacts", "Add and update contacts of a group", csv_form("name_index", "email_index"), [ID])
class ContactUpdateView(BulkView):
    kind = ImportKind.UPDATE
    body = ColumnsBody


@_described("deleteContacts", "Delete contacts of a group", csv_form("email_index"), [ID])
class ContactDeleteView(BulkView):
    kind = ImportKind.DELETE
    body = EmailColumnBody


class OptOutFileView(BulkView):
    body = OptionalEmailColumnBody

    def group(self, client: Client, request: Request) -> None:
        return None


@_described("addOptOuts", "Add opt-outs", csv_form(optional_indexes=("email_index",)), [])
class OptOutAddView(OptOutFileView):
    kind = ImportKind.OPTOUT_ADD


@_described("deleteOptOuts", "Delete opt-outs", csv_form(optional_indexes=("email_index",)), [])
class OptOutDeleteView(OptOutFileView):
    kind = ImportKind.OPTOUT_DELETE
