"""`/email/contact/export/` and `/email/result/export/`, additions: CSV files to download, streamed."""

from collections.abc import Iterable
from typing import Any

from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.text import compress_sequence
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from sendmill.accounts.resources import find
from sendmill.api.authentication import client_of
from sendmill.api.openapi import ID, READ, answers
from sendmill.api.requests import required_id
from sendmill.api.results import PERIOD
from sendmill.api.streaming import stream_answer
from sendmill.contacts.export import exported_contacts
from sendmill.contacts.models import ContactGroup
from sendmill.results.export import exported_results
from sendmill.results.queries import parse_period

_RAW = OpenApiParameter(
    "raw", bool,
    description="`true`: cells as they are. Otherwise one that a spreadsheet would run as a formula begins with `'`.",
)  # fmt: skip
_CSV = {(200, "text/csv"): {"type": "string"}}


class _RawQuery(serializers.Serializer[Any]):
    raw = serializers.BooleanField(required=False, default=False)


class ContactExportView(APIView):
    @extend_schema(
        operation_id="exportContacts", summary="An addition: a group's contacts as CSV", tags=["contact group"],
        parameters=[ID, _RAW], responses=answers({}, (400, *READ)) | _CSV,
    )  # fmt: skip
    def get(self, request: Request) -> HttpResponseBase:
        group = find(ContactGroup, client_of(request), required_id(request))
        lines = exported_contacts(group.contact_set_id, raw=_is_raw(request))
        return _download(request, lines, f"contacts-{group.object_id}.csv")


class ResultExportView(APIView):
    @extend_schema(
        operation_id="exportResults", summary="An addition: results of a period as CSV", tags=["result"],
        parameters=[*PERIOD, _RAW], responses=answers({}, (400, 401, 503)) | _CSV,
    )  # fmt: skip
    def get(self, request: Request) -> HttpResponseBase:
        query = request.query_params
        period = parse_period(query.get("start_date"), query.get("end_date"))
        campaign_id = query.get("campaign_id") or None
        lines = exported_results(client_of(request), period, campaign_id, raw=_is_raw(request))
        return _download(request, lines, f"results-{period.first}-{period.last}.csv")


def _is_raw(request: Request) -> bool:
    given = {name: text for name, text in request.query_params.items() if name == "raw" and text}
    fields = _RawQuery(data=given)
    fields.is_valid(raise_exception=True)
    return bool(fields.validated_data["raw"])


def _download(request: Request, lines: Iterable[bytes], name: str) -> HttpResponseBase:
    """A file to save, compressed where the client takes that."""
    is_compressed = "gzip" in request.headers.get("Accept-Encoding", "")
    pieces = compress_sequence(lines) if is_compressed else lines
    answer = stream_answer(request, pieces, "text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    if is_compressed and request.method != "HEAD":
        answer["Content-Encoding"] = "gzip"
    patch_vary_headers(answer, ["Accept-Encoding"])
    return answer
