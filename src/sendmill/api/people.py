"""`/email/contact/erase/`, an addition: erasing a person."""

from typing import Any

from django.db import transaction
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sendmill.api.audit import record
from sendmill.api.authentication import client_of
from sendmill.api.openapi import OPTIONAL_ID, READ, WRITE, answers, list_or_one, reference
from sendmill.api.rendering import oid, time_text
from sendmill.api.requests import Address, checked, requested_id
from sendmill.api.streaming import array_of_rows, stream_answer
from sendmill.people.erasing import ask, erasure_pages, find_erasure
from sendmill.people.models import Erasure, Stage


class EraseBody(serializers.Serializer[Any]):
    email = Address(help_text="The address of the person.")


class ErasureView(APIView):
    """Erasures, of which the addresses are not kept. POST: a new one, carried out later."""

    @extend_schema(
        operation_id="erasePerson", summary="Erase a person: all that is kept of an address (an addition)",
        tags=["contact group"], request=EraseBody, responses=answers({202: reference("Erasure")}, WRITE),
    )  # fmt: skip
    def post(self, request: Request) -> HttpResponseBase:
        fields = checked(EraseBody, request)
        with transaction.atomic():
            erasure = ask(client_of(request), fields["email"], requested_by="API")
            record(request, "erased a person", erasure.object_id)
        return Response(_shape(erasure), status=202)

    @extend_schema(
        operation_id="getErasure", summary="List erasures, or get one (an addition)",
        tags=["contact group"], parameters=[OPTIONAL_ID],
        responses=answers({200: list_or_one("Erasure", "Erasure")}, READ),
    )  # fmt: skip
    def get(self, request: Request) -> HttpResponseBase:
        client = client_of(request)
        object_id = requested_id(request)
        if object_id is None:
            return stream_answer(request, array_of_rows(erasure_pages(client), _shape))
        return Response(_shape(find_erasure(client, object_id)))


def _shape(erasure: Erasure) -> dict[str, Any]:
    return {
        "$_id": oid(erasure.object_id),
        "client_id": oid(erasure.client.object_id),
        "status": "done" if erasure.stage == Stage.DONE else "erasing",
        "contacts": erasure.contacts,
        "results": erasure.results,
        "rejected_rows": erasure.rejected_rows,
        "created_on": time_text(erasure.requested_on),
        "finished_on": None if erasure.finished_on is None else time_text(erasure.finished_on),
    }
