"""`/email/result/filter/`: what became of every recipient. `/email/result/history/`, an addition: every attempt."""

from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sendmill.api.authentication import client_of
from sendmill.api.openapi import AFTER, ID, LIMIT, READ, answers, reference
from sendmill.api.rendering import oid
from sendmill.api.requests import requested_limit, required_id
from sendmill.api.streaming import array, stream_answer
from sendmill.results.history import word_json
from sendmill.results.queries import iterate_results
from sendmill.results.search import find_history

DATE = {"type": "string", "format": "date"}
PERIOD = (
    OpenApiParameter("start_date", DATE, required=True, description="The first day, UTC."),
    OpenApiParameter("end_date", DATE, required=True, description="The last day, UTC."),
    OpenApiParameter("campaign_id", str, description="Only this campaign's; an unknown one has no results."),
)


class ResultView(APIView):
    @extend_schema(
        operation_id="filterResults", summary="Results of a period", tags=["result"],
        parameters=[*PERIOD, LIMIT, AFTER],
        responses=answers({200: {"type": "array", "items": reference("Result")}}, (400, 401, 503)),
    )  # fmt: skip
    def get(self, request: Request) -> HttpResponseBase:
        query = request.query_params
        results = iterate_results(
            client_of(request),
            query.get("start_date"),
            query.get("end_date"),
            query.get("campaign_id") or None,
            after=query.get("after") or None,
            limit=requested_limit(request),
        )
        return stream_answer(request, array(results))


class ResultHistoryView(APIView):
    @extend_schema(
        operation_id="getResultHistory", summary="An addition: every attempt, in the mail server's own words",
        tags=["result"], parameters=[ID], responses=answers({200: reference("ResultHistory")}, (400, *READ)),
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        object_id = required_id(request).lower()
        words = find_history(client_of(request), object_id)
        return Response({"result_id": oid(object_id), "history": [word_json(word) for word in words]})
