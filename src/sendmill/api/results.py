"""`/email/result/filter/`: what became of every recipient."""

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.views import APIView

from sendmill.api.authentication import client_of
from sendmill.api.requests import requested_limit
from sendmill.api.streaming import array, stream_answer
from sendmill.results.queries import iterate_results


class ResultView(APIView):
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
