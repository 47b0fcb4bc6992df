"""Expansion: every contact becomes one delivery, whatever happens in between."""

import pytest

from sendmill.campaigns import lifecycle
from sendmill.campaigns.models import Campaign, Phase
from sendmill.contacts.models import ContactSet
from sendmill.delivery import closing, expand, queue
from sendmill.delivery.clock import now_ms
from sendmill.delivery.models import CHUNK_ROWS, Chunk, Delivery, Expansion
from sendmill.delivery.states import State
from tests.database.campaigns.making import make_client
from tests.database.delivery.making import (
    LEASE_MS,
    addresses,
    expand_fully,
    fill_group,
    fill_group_with_rows,
    opt_out,
    started_campaign,
)

pytestmark = pytest.mark.django_db


LAYOUTS = pytest.mark.parametrize("fill", [fill_group, fill_group_with_rows], ids=["pages", "rows"])


@LAYOUTS
def test_every_contact_becomes_one_delivery_in_order(fill):
    campaign = started_campaign(addresses(2_500), fill=fill)
    expand_fully(campaign)
    first = Delivery.objects.earliest("id")
    assert (first.name, first.fields) == ("Name of person0@example.com", '{"city":"Köln"}')
    assert list(Delivery.objects.order_by("id").values_list("email", flat=True)) == addresses(2_500)
    assert list(Chunk.objects.order_by("id").values_list("rows", flat=True)) == [CHUNK_ROWS, CHUNK_ROWS, 500]
    assert Expansion.objects.get().recipients == 2_500
    assert Campaign.objects.get().phase == Phase.SENDING
    assert ContactSet.objects.get().pins == 0


@LAYOUTS
def test_a_second_expander_goes_on_where_the_first_left_off(fill):
    campaign = started_campaign(addresses(30), fill=fill)
    assert expand.expand_step(campaign.pk, now_ms(), 10) == 10
    assert queue.claim("aaaaaaaaaaaa:1:1", now_ms(), LEASE_MS) is not None, "sending begins before expansion ends"
    expand_fully(campaign, 10)
    assert Delivery.objects.count() == 30
    assert expand.expand_step(campaign.pk, now_ms(), 10) == 0
    assert Delivery.objects.count() == 30


@LAYOUTS
def test_opted_out_contacts_are_final_at_once(fill):
    client = make_client()
    opt_out(client, "Person1@EXAMPLE.com")
    campaign = started_campaign(["person0@example.com", "PERSON1@example.com", "Person2@Example.com"], client, fill)
    expand_fully(campaign, 2)
    assert list(Delivery.objects.order_by("id").values_list("email", "state")) == [
        ("person0@example.com", State.QUEUED),
        ("PERSON1@example.com", State.OPTOUT),
        ("Person2@Example.com", State.QUEUED),
    ]


def test_a_campaign_to_opted_out_contacts_only_completes_without_a_worker():
    client = make_client()
    opt_out(client, "person0@example.com")
    campaign = started_campaign(addresses(1), client)
    expand_fully(campaign)
    assert Chunk.objects.get().due_ms is None
    assert closing.close_finished_campaigns() == [campaign.pk]


def test_a_campaign_without_contacts_completes_without_results():
    campaign = started_campaign([])
    expand_fully(campaign)
    assert closing.close_finished_campaigns() == [campaign.pk]
    assert Delivery.objects.count() == 0
    assert Campaign.objects.get().status == "completed"


def test_a_cancel_during_expansion_still_gives_every_recipient_a_result():
    client = make_client()
    campaign = started_campaign(addresses(20), client)
    expand.expand_step(campaign.pk, now_ms(), 10)
    lifecycle.set_status(client, campaign.object_id, "cancelled")
    expand_fully(campaign, 10)
    closing.close_chunks_of_cancelled(now_ms())
    assert list(Delivery.objects.values_list("state", flat=True)) == [State.CANCELLED] * 20
    assert closing.close_finished_campaigns() == [campaign.pk]
    assert Campaign.objects.get().status == "cancelled"


def test_expanding_campaigns_are_found():
    campaign = started_campaign(addresses(1))
    assert expand.expanding_campaign_ids() == [campaign.pk]
    expand_fully(campaign)
    assert expand.expanding_campaign_ids() == []
