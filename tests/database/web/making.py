"""Campaigns, results and messages that pages show."""

from typing import Any

from django.db import connection

from sendmill.accounts.models import Client
from sendmill.campaigns.models import Campaign
from sendmill.delivery.chunk_counts import free_chunk
from sendmill.delivery.models import Chunk, Delivery
from sendmill.delivery.states import State
from sendmill.ids import KIND_DELIVERY, numbered
from tests.database.campaigns.making import make_campaign, make_message
from tests.database.delivery.making import expanded_campaign


def campaign_of(client: Client) -> str:
    return make_campaign(client).object_id


def message_of(client: Client) -> str:
    return make_message(client).object_id


def result_of(client: Client) -> str:
    campaign = expanded_campaign(1, client=client)
    return result_ids(campaign)[0]


def sent_campaign(client: Client, states: list[State], **fields: Any) -> Campaign:
    """A campaign whose recipients person0@example.com, person1@… are in these states; `fields` are on every row."""
    campaign = expanded_campaign(len(states), rows=1000, client=client)
    for number, state in zip(delivery_numbers(campaign), states, strict=True):
        Delivery.objects.filter(pk=number).update(state=state, attempts=1, **fields)
    count_again(campaign)
    return campaign


def count_again(campaign: Campaign) -> None:
    """As a worker does that gives its chunks back."""
    with connection.cursor() as cursor:
        for chunk_id in Chunk.objects.filter(campaign=campaign).values_list("pk", flat=True):
            free_chunk(cursor, chunk_id)


def delivery_numbers(campaign: Campaign) -> list[int]:
    chunks = Chunk.objects.filter(campaign=campaign).order_by("pk").values_list("pk", flat=True)
    return [
        number
        for chunk_id in chunks
        for number in Delivery.objects.filter(pk__gte=chunk_id << 10, pk__lt=(chunk_id + 1) << 10)
        .order_by("pk")
        .values_list("pk", flat=True)
    ]


def result_ids(campaign: Campaign) -> list[str]:
    return [numbered(campaign.object_id, KIND_DELIVERY, number) for number in delivery_numbers(campaign)]
