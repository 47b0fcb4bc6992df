"""`/email/campaign/progress/` and `/email/campaign/retry/`."""

import pytest

from sendmill.campaigns.models import Campaign
from sendmill.delivery import queue, reports
from sendmill.delivery.clock import now_ms
from sendmill.delivery.recording import Attempt
from sendmill.delivery.states import State
from sendmill.delivery.transmission import RelayHealth
from tests.database.api.conftest import Program, Tenant
from tests.database.delivery.making import LEASE_MS, expanded_campaign

pytestmark = pytest.mark.django_db

PROGRESS, RETRY = "/email/campaign/progress/", "/email/campaign/retry/"
NO_ONE = dict.fromkeys(
    ["queued", "deferred", "unconfirmed", "delivered", "bounced", "failed", "optout", "cancelled", "invalid"], 0
)


def partly_sent(tenant: Tenant) -> Campaign:
    """Three recipients: one delivered, one failed, one queued, and the chunk free again."""
    campaign = expanded_campaign(3, client=tenant.client)
    claim = queue.claim("aaaaaaaaaaaa:1:1", now_ms(), LEASE_MS)
    assert claim is not None
    rows = claim.rows[:2]
    queue.exchange({claim.chunk_id: claim}, [], [], rows, now_ms())
    attempts = [
        Attempt(row.id, state, 1, now_ms(), None, 250, "", "a:25")
        for row, state in zip(rows, (State.DELIVERED, State.FAILED), strict=True)
    ]
    queue.exchange({claim.chunk_id: claim}, attempts, [], [], now_ms())
    queue.release(claim.chunk_id, claim.fence)
    return campaign


def test_progress_tells_everything(acme: Tenant) -> None:
    campaign = partly_sent(acme)
    reports.write_report("w", [RelayHealth("a:25", 2.04, 1, "refused", 3, 5, None)], {campaign.pk: 0.5})
    answer = acme.api.get(PROGRESS, _id=campaign.object_id).expect(200).json
    assert answer.pop("expected_end").endswith("000")
    assert answer == {
        "campaign_id": {"$oid": campaign.object_id},
        "status": "active",
        "recipients": 3,
        "complete": 2,
        "dispositions": {**NO_ONE, "queued": 1, "delivered": 1, "failed": 1},
        "rate": 0.5,
        "next_retry": None,
        "relays": [
            {
                "name": "a:25", "state": "down", "retry_seconds": 2.0, "last_error": "refused",
                "open_connections": 3, "in_hand": 5,
            }
        ],
    }  # fmt: skip


def test_relays_of_other_clients_and_senders_are_not_shown(acme: Tenant, other: Tenant) -> None:
    campaign = partly_sent(acme)
    ours, theirs = acme.client.object_id, other.client.object_id
    said = [
        RelayHealth("a:25", 0.0, 0, None, 0, 0, None),
        RelayHealth("theirs:25", 0.0, 0, None, 0, 0, None, clients=(theirs,)),
        RelayHealth("ours:25", 0.0, 0, None, 0, 0, None, senders=("x.example",), clients=(ours,)),
    ]
    reports.write_report("w", said, {})
    shown = acme.api.get(PROGRESS, _id=campaign.object_id).json["relays"]
    assert [relay["name"] for relay in shown] == ["a:25", "ours:25"]


def test_retry_tells_how_many_and_makes_the_campaign_active(acme: Tenant) -> None:
    campaign = partly_sent(acme)
    Campaign.objects.filter(pk=campaign.pk).update(status="completed", phase="closed")
    answer = acme.api.post(f"{RETRY}?_id={campaign.object_id.upper()}").expect(202)
    assert answer.json == {"campaign_id": {"$oid": campaign.object_id}, "recipients": 1}
    assert acme.api.get("/email/campaign/", _id=campaign.object_id).json["status"] == "active"


def test_a_cancelled_campaign_is_a_conflict(acme: Tenant) -> None:
    campaign = partly_sent(acme)
    Campaign.objects.filter(pk=campaign.pk).update(status="cancelled")
    answer = acme.api.post(f"{RETRY}?_id={campaign.object_id}").expect(409)
    assert answer.json == {"detail": "The campaign is cancelled, which is final."}


@pytest.mark.parametrize("number", ["", "0" * 24, "nonsense"])
def test_unknown_ids(api: Program, number: str) -> None:
    status = 404 if number else 400
    assert api.get(PROGRESS, _id=number).status == status
    assert api.post(f"{RETRY}?_id={number}").status == status


def test_another_clients_campaign_is_not_found(acme: Tenant, other: Tenant) -> None:
    campaign = partly_sent(acme)
    assert other.api.get(PROGRESS, _id=campaign.object_id).status == 404
    assert other.api.post(f"{RETRY}?_id={campaign.object_id}").status == 404
    assert acme.api.get(PROGRESS, _id=campaign.object_id).json["dispositions"]["failed"] == 1
