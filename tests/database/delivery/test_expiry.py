"""A campaign's own expiry: counted from its start and from a resume, and what workers go by."""

from datetime import timedelta

import pytest
from django.utils import timezone

from sendmill.campaigns import lifecycle
from sendmill.campaigns.models import Campaign
from sendmill.delivery import queue
from sendmill.delivery.clock import milliseconds, now_ms
from tests.database.campaigns.making import make_client
from tests.database.delivery.making import LEASE_MS, expanded_campaign

pytestmark = pytest.mark.django_db


def expires_in(campaign: Campaign) -> timedelta:
    campaign.refresh_from_db()
    return campaign.expires_at - timezone.now()


@pytest.mark.parametrize(("own", "hours"), [(7200.0, 2), (None, 48)])
def test_a_resume_counts_from_anew_and_the_next_claim_knows(own: float | None, hours: int) -> None:
    client = make_client()
    campaign = expanded_campaign(2, client=client)
    long_ago = timezone.now() - timedelta(days=9)
    Campaign.objects.filter(pk=campaign.pk).update(expiry_seconds=own, expires_at=long_ago)
    claim = queue.claim("aaaaaaaaaaaa:1:1", now_ms(), LEASE_MS)
    assert claim is not None
    assert claim.expires_ms == milliseconds(long_ago)
    queue.release(claim.chunk_id, claim.fence)

    lifecycle.set_status(client, campaign.object_id, "paused")
    lifecycle.set_status(client, campaign.object_id, "active")

    assert expires_in(campaign) == pytest.approx(timedelta(hours=hours), abs=timedelta(minutes=1))
    claim = queue.claim("aaaaaaaaaaaa:1:1", now_ms(), LEASE_MS)
    assert claim is not None
    assert claim.expires_ms == milliseconds(campaign.expires_at)
