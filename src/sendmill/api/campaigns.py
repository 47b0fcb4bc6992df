"""`/email/campaign/`: campaigns."""

from typing import Any

from django.conf import settings
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sendmill.accounts.resources import find, pages
from sendmill.api.audit import record
from sendmill.api.authentication import client_of
from sendmill.api.body import parse_json
from sendmill.api.exceptions import TooLarge
from sendmill.api.openapi import (
    AFTER,
    CAMPAIGN_FORM,
    ID,
    IMPORT_HEADER,
    LIMIT,
    OPTIONAL_ID,
    READ,
    WRITE,
    answers,
    list_or_one,
    reference,
)
from sendmill.api.rendering import no_content, oid
from sendmill.api.requests import checked_changes, posted, requested_id, required_id, window
from sendmill.api.resources import ids_of, times_of
from sendmill.api.streaming import array_of_rows, stream_answer
from sendmill.api.uploads import uploaded_file
from sendmill.campaigns.creation import create_campaign
from sendmill.campaigns.lifecycle import ACTIONS, SETTABLE
from sendmill.campaigns.models import Campaign, Status
from sendmill.delivery.control import set_status

# What a campaign sends, copied when it starts: as large as a message, and not shown.
_FROZEN = ("frozen_subject", "frozen_body")


class CampaignStatusBody(serializers.Serializer[Any]):
    status = serializers.ChoiceField(
        [status.value for status in SETTABLE], help_text="Control the status of the campaign."
    )


@extend_schema_view(
    get=extend_schema(
        operation_id="getCampaign", summary="List campaigns, or get one", tags=["campaign"],
        parameters=[OPTIONAL_ID, LIMIT, AFTER],
        responses=answers({200: list_or_one("Campaign", "Campaign")}, (400, *READ)),
    ),
    post=extend_schema(
        operation_id="addCampaign", summary="Add campaign", tags=["campaign"], parameters=[IMPORT_HEADER],
        request={"multipart/form-data": CAMPAIGN_FORM},
        responses=answers({201: reference("Campaign")}, (*WRITE, 409, 507)),
    ),
    put=extend_schema(
        operation_id="updateCampaign", summary="Pause, resume or cancel a campaign", tags=["campaign"], parameters=[ID],
        request=CampaignStatusBody, responses=answers({204: None}, (*WRITE, 404)),
    ),
)  # fmt: skip
class CampaignView(APIView):
    def get(self, request: Request) -> HttpResponseBase:
        client = client_of(request)
        object_id = requested_id(request)
        if object_id is not None:
            return Response(_shape(find(Campaign, client, object_id)))
        after, limit = window(request, Campaign, client)
        campaigns = pages(Campaign, client, after=after, limit=limit, omit=_FROZEN)
        return stream_answer(request, array_of_rows(campaigns, _shape))

    def post(self, request: Request) -> HttpResponseBase:
        created = create_campaign(
            client_of(request),
            _attributes(request),
            uploaded_file(request, "csv_file"),
            uploaded_file(request, "message_file"),
        )
        record(request, "made a campaign", created.campaign.name)
        headers = {IMPORT_HEADER.name: created.import_object_id} if created.import_object_id else None
        return Response(_shape(created.campaign), status=201, headers=headers)

    def put(self, request: Request) -> HttpResponseBase:
        client = client_of(request)
        campaign = find(Campaign, client, required_id(request))
        fields = checked_changes(CampaignStatusBody, request)
        set_status(client, campaign.object_id, **fields)
        record(request, ACTIONS[Status(fields["status"])], campaign.name)
        return no_content()


def _attributes(request: Request) -> Any:
    """What `attributes` says; None without it. It may be a field or, as browsers send JSON, a file part.

    Raises ValidationError.
    """
    value = posted(request).get("attributes")
    if "attributes" in request.FILES:
        content = request.FILES["attributes"].read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
        if len(content) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise TooLarge
        value = content.decode("utf-8", "replace")
    if not isinstance(value, str):
        return value
    try:
        return parse_json(value)
    except exceptions.ParseError as error:
        raise serializers.ValidationError({"attributes": [str(error.detail)]}) from None


def _shape(campaign: Campaign) -> dict[str, Any]:
    return {
        **ids_of(campaign),
        "contact_group_id": oid(campaign.contact_group_object_id),
        "sender_id": oid(campaign.sender_object_id),
        "message_id": oid(campaign.message_object_id),
        "name": campaign.name,
        "start_date": f"{campaign.start_wall_clock.replace(' ', 'T')}:00.000000",
        "timezone": campaign.timezone,
        **times_of(campaign),
        "status": campaign.status,
    }
