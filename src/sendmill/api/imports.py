"""`/email/import/`, an addition: imports as jobs; what became of an import, and which rows it rejected."""

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sendmill.accounts.resources import find
from sendmill.api.audit import record
from sendmill.api.authentication import client_of
from sendmill.api.body import MultiPartParser
from sendmill.api.openapi import (
    GROUP_ID,
    ID,
    IMPORT_FORM,
    OPTIONAL_ID,
    READ,
    WRITE,
    answers,
    list_or_one,
    reference,
)
from sendmill.api.rendering import oid, time_text
from sendmill.api.requests import Text, checked, requested_id, required_id
from sendmill.api.streaming import array_of_rows, object_with_array, stream_answer
from sendmill.api.uploads import uploaded_file
from sendmill.contacts.column_choice import choose_columns
from sendmill.contacts.import_jobs import add_job
from sendmill.contacts.import_log import (
    REJECTED_COLUMNS,
    find_import,
    import_pages,
    rejected_csv,
    rejected_pages,
)
from sendmill.contacts.models import ACTIONS, ContactGroup, Import, ImportKind, RejectedRow


class JobBody(serializers.Serializer[Any]):
    """What is to be done with the file's rows, to which group, and which columns count."""

    action = serializers.ChoiceField(["replace", "update", "delete"])
    tag = Text(required=False)
    email_index = serializers.IntegerField(min_value=0, required=False)
    email_column = Text(required=False)
    name_index = serializers.IntegerField(min_value=0, required=False)
    name_column = Text(required=False)
    dry_run = serializers.BooleanField(default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for column in ("email", "name"):
            if f"{column}_index" in attrs and f"{column}_column" in attrs:
                reason = f"Give {column}_index or {column}_column, not both."
                raise serializers.ValidationError({f"{column}_column": [reason]})
        return attrs


class ImportView(APIView):
    """The list, or with `?_id=` one import with the rows it rejected. POST: a new one, carried out later."""

    parser_classes = (MultiPartParser,)

    @extend_schema(
        operation_id="addImport", summary="Import a CSV file as a job (an addition)", tags=["import"],
        parameters=[GROUP_ID], request={"multipart/form-data": IMPORT_FORM},
        responses=answers({202: reference("ImportSummary")}, (*WRITE, 404, 409, 507)),
    )  # fmt: skip
    def post(self, request: Request) -> HttpResponseBase:
        client = client_of(request)
        wanted = checked(JobBody, request)
        file = uploaded_file(request, "csv_file")
        kind = ImportKind(wanted["action"])
        chosen = {name: wanted.get(name) for name in ("email_index", "email_column", "name_index", "name_column")}
        columns = choose_columns(file, **chosen)
        group_id = requested_id(request)
        if (group_id is None) == ("tag" not in wanted):
            raise serializers.ValidationError({"tag": ["Give the group by _id or by tag, one of the two."]})
        group = find(ContactGroup, client, group_id) if group_id else None
        job = add_job(client, kind, group, file, columns, tag=wanted.get("tag", ""), dry_run=wanted["dry_run"])
        if not job.dry_run:
            record(request, ACTIONS[kind], group.tag if group else wanted["tag"])
        return Response(_head(job) | _tail(job), status=202)

    @extend_schema(
        operation_id="getImport", summary="List imports, or get one with the rows it rejected (an addition)",
        tags=["import"], parameters=[OPTIONAL_ID],
        responses=answers({200: list_or_one("ImportSummary", "Import")}, READ),
    )  # fmt: skip
    def get(self, request: Request) -> HttpResponseBase:
        client = client_of(request)
        object_id = requested_id(request)
        if object_id is None:
            return stream_answer(request, array_of_rows(import_pages(client), lambda done: _head(done) | _tail(done)))
        done = find_import(client, object_id)
        rejected = array_of_rows(rejected_pages(done), _rejected)
        return stream_answer(request, object_with_array(_head(done), "rejected", rejected, _tail(done)))


class RejectedRowsView(APIView):
    """The rejected rows as a CSV file to download."""

    @extend_schema(
        operation_id="getRejectedRows", summary="The rejected rows as a file (an addition)",
        tags=["import"], parameters=[ID],
        responses=answers({}, (400, *READ)) | {(200, "text/csv"): {"type": "string"}},
    )  # fmt: skip
    def get(self, request: Request) -> HttpResponseBase:
        done = find_import(client_of(request), required_id(request))
        answer = stream_answer(request, rejected_csv(done), "text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="rejected-{done.object_id}.csv"'
        return answer


def _head(done: Import) -> dict[str, Any]:
    return {
        "$_id": oid(done.object_id),
        "client_id": oid(done.client.object_id),
        "contact_group_id": oid(done.group.object_id) if done.group else None,
        "kind": done.kind,
        "status": done.state,
        "error": done.error,
        "accepted_rows": done.accepted_rows,
        "duplicate_rows": done.duplicate_rows,
        "rejected_rows": done.rejected_rows,
    }


def _tail(done: Import) -> dict[str, Any]:
    """The keys after the rejected rows; of a job also how far it is."""
    times = {"created_on": time_text(done.created_on), "modified_on": time_text(done.modified_on)}
    if done.file_bytes is None and not done.dry_run:
        return times
    job = {"dry_run": done.dry_run, "file_bytes": done.file_bytes, "read_bytes": done.read_bytes}
    return {**times, "job": job}


def _rejected(row: RejectedRow) -> dict[str, Any]:
    return {key: getattr(row, key) for key in REJECTED_COLUMNS}
