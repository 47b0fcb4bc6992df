"""`/email/campaign/progress/` and `/email/campaign/retry/`: how far a campaign is, and its failed recipients again."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sendmill.accounts.resources import find
from sendmill.addresses import address_key
from sendmill.api.audit import record
from sendmill.api.authentication import client_of
from sendmill.api.openapi import ID, READ, answers, reference
from sendmill.api.rendering import oid, time_text
from sendmill.api.requests import required_id
from sendmill.campaigns.models import Campaign
from sendmill.delivery.progress import progress_of
from sendmill.delivery.reports import RelayStatus, read_reports
from sendmill.delivery.retry import retry_failed


class ProgressView(APIView):
    @extend_schema(
        operation_id="getCampaignProgress", summary="An addition: how far a campaign is", tags=["campaign"],
        parameters=[ID], responses=answers({200: reference("Progress")}, (400, *READ)),
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        client = client_of(request)
        campaign = find(Campaign, client, required_id(request))
        sender = address_key(campaign.frozen_sender) if campaign.frozen_sender else ""
        reports = read_reports()
        progress = progress_of(campaign, reports, timezone.now())
        return Response(
            {
                "campaign_id": oid(campaign.object_id),
                "status": campaign.status,
                "recipients": progress.recipients,
                "complete": progress.complete,
                "dispositions": progress.counts,
                "rate": round(progress.rate, 1),
                "expected_end": _time_or_none(progress.expected_end),
                "next_retry": _time_or_none(progress.next_retry),
                "relays": [_relay(relay) for relay in reports.relays if relay.takes(sender, client.object_id)],
            }
        )


class RetryView(APIView):
    @extend_schema(
        operation_id="retryCampaign", summary="An addition: send again to those that failed, and only to those",
        tags=["campaign"], parameters=[ID], request=None,
        responses=answers({202: reference("Retry")}, (400, 401, 403, 404, 409, 503)),
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        client = client_of(request)
        campaign = find(Campaign, client, required_id(request))
        with transaction.atomic():
            recipients = retry_failed(client, campaign.object_id)
            if recipients:
                record(request, f"retried {recipients:,} failed recipients", campaign.name)
        return Response({"campaign_id": oid(campaign.object_id), "recipients": recipients}, status=202)


def _time_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else time_text(moment)


def _relay(relay: RelayStatus) -> dict[str, Any]:
    return {
        "name": relay.name,
        "state": relay.state,
        "retry_seconds": None if relay.retry_seconds is None else round(relay.retry_seconds, 1),
        "last_error": relay.last_error,
        "open_connections": relay.open_connections,
        "in_hand": relay.in_hand,
    }
