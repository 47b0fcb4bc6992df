"""`/email/import/`, an addition: what became of a bulk call, and which rows it rejected."""

from collections.abc import Iterator
from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from sendmill.api.authentication import client_of
from sendmill.api.openapi import ID, OPTIONAL_ID, READ, answers, list_or_one
from sendmill.api.rendering import oid, time_text
from sendmill.api.requests import requested_id, required_id
from sendmill.api.streaming import array_of_rows, object_with_array, stream_answer
from sendmill.contacts.import_log import find_import, import_pages, rejected_pages
from sendmill.contacts.models import Import, RejectedRow
from sendmill.csv_lines import MARK, csv_lines

_REJECTED_KEYS = ("line", "column_index", "column", "value", "reason")


class ImportView(APIView):
    """The list, or with `?_id=` one import with the rows it rejected."""

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
        answer = stream_answer(request, _csv(done), "text/csv; charset=utf-8")
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
    return {"created_on": time_text(done.created_on), "modified_on": time_text(done.modified_on)}


def _rejected(row: RejectedRow) -> dict[str, Any]:
    return {key: getattr(row, key) for key in _REJECTED_KEYS}


def _csv(done: Import) -> Iterator[bytes]:
    yield MARK + csv_lines([_REJECTED_KEYS])
    for page in rejected_pages(done):
        yield csv_lines([list(_rejected(row).values()) for row in page])
