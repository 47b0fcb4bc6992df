"""`/email/result/filter/`: what became of every recipient."""

from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from sendmill.api.authentication import client_of
from sendmill.api.openapi import AFTER, LIMIT, answers, reference
from sendmill.api.requests import requested_limit
from sendmill.api.streaming import array, stream_answer
from sendmill.results.queries import iterate_results

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
