"""Sending again to those that failed: each of them, nobody else, and the campaign is not closed meanwhile."""

import pytest

from sendmill.campaigns import lifecycle
from sendmill.campaigns.models import Campaign
from sendmill.delivery import closing, queue, retry
from sendmill.delivery.clock import milliseconds, now_ms
from sendmill.delivery.models import Delivery, RetryChunk
from sendmill.delivery.queue import Claim
from sendmill.delivery.recording import Attempt
from sendmill.delivery.states import State
from sendmill.errors import Conflict, NotFound
from tests.database.campaigns.making import make_client
from tests.database.delivery.making import LEASE_MS, expanded_campaign

pytestmark = pytest.mark.django_db

OWNER = "aaaaaaaaaaaa:1:1"


def claimed() -> Claim:
    claim = queue.claim(OWNER, now_ms(), LEASE_MS)
    assert claim is not None
    return claim


def record(claim: Claim, states: list[State], attempted_ms: int = 1_000) -> None:
    queue.exchange({claim.chunk_id: claim}, [], [], claim.rows, now_ms())
    attempts = [
        Attempt(row.id, state, row.attempts + 1, attempted_ms, None, 550, "5.1.1 unknown", "relay:25")
        for row, state in zip(claim.rows, states, strict=True)
    ]
    queue.exchange({claim.chunk_id: claim}, attempts, [], [], now_ms())


def finish(states: list[State]) -> Campaign:
    """A completed campaign whose recipients came to this."""
    campaign = expanded_campaign(len(states), client=make_client())
    claim = claimed()
    record(claim, states)
    queue.release(claim.chunk_id, claim.fence)
    assert closing.close_finished_campaigns() == [campaign.pk]
    return Campaign.objects.get(pk=campaign.pk)


def go_through_retries() -> None:
    for chunk_id in retry.next_retry_chunks():
        retry.retry_chunk(chunk_id, now_ms())


def states() -> list[State]:
    return [State(state) for state in Delivery.objects.order_by("id").values_list("state", flat=True)]


ALL = [State.DELIVERED, State.FAILED, State.BOUNCED, State.INVALID, State.UNCONFIRMED_HELD, State.FAILED]


def test_those_that_failed_are_queued_anew_and_nobody_else() -> None:
    campaign = finish(ALL)
    assert retry.retry_failed(campaign.client, campaign.object_id) == 2
    campaign.refresh_from_db()
    assert (campaign.status, campaign.phase) == ("active", "sending")
    go_through_retries()
    assert states() == [State.QUEUED if state == State.FAILED else state for state in ALL]
    assert [row.attempts for row in claimed().rows] == [0, 0]
    assert not RetryChunk.objects.exists()


def test_the_first_attempt_stays_the_start_and_the_retry_policy_begins_anew() -> None:
    campaign = finish([State.FAILED])
    retry.retry_failed(campaign.client, campaign.object_id)
    go_through_retries()
    claim = claimed()
    assert claim.expires_ms > now_ms() + 3_600_000
    record(claim, [State.DELIVERED], attempted_ms=9_000)
    delivery = Delivery.objects.get()
    assert (delivery.start_ms, delivery.attempts) == (1_000, 1)


def test_it_is_not_closed_before_its_retries_are_queued_nor_before_they_are_final() -> None:
    campaign = finish([State.FAILED])
    retry.retry_failed(campaign.client, campaign.object_id)
    assert closing.close_finished_campaigns() == []
    go_through_retries()
    assert closing.close_finished_campaigns() == []
    claim = claimed()
    record(claim, [State.DELIVERED])
    queue.release(claim.chunk_id, claim.fence)
    assert closing.close_finished_campaigns() == [campaign.pk]
    campaign.refresh_from_db()
    assert campaign.status == "completed"


def test_a_chunk_in_a_workers_hands_is_retried_when_it_is_given_back() -> None:
    campaign = expanded_campaign(2, client=make_client())
    claim = claimed()
    record(claim, [State.FAILED, State.DELIVERED])
    assert retry.retry_failed(campaign.client, campaign.object_id) == 1
    go_through_retries()
    assert states() == [State.FAILED, State.DELIVERED]
    queue.release(claim.chunk_id, claim.fence)
    go_through_retries()
    assert states() == [State.QUEUED, State.DELIVERED]


def test_asked_twice_it_happens_once() -> None:
    campaign = finish([State.FAILED, State.DELIVERED])
    assert [retry.retry_failed(campaign.client, campaign.object_id) for _ in range(2)] == [1, 1]
    [chunk_id] = retry.next_retry_chunks()
    retry.retry_chunk(chunk_id, now_ms())
    record(claimed(), [State.FAILED])
    retry.retry_chunk(chunk_id, now_ms())  # another node that saw the note before it was gone
    assert states() == [State.FAILED, State.DELIVERED]


def test_without_a_failed_recipient_nothing_changes() -> None:
    campaign = finish([State.DELIVERED, State.UNCONFIRMED_HELD])
    before = Campaign.objects.values().get()
    assert retry.retry_failed(campaign.client, campaign.object_id) == 0
    assert Campaign.objects.values().get() == before
    assert not RetryChunk.objects.exists()


def test_a_paused_campaign_stays_paused() -> None:
    client = make_client()
    campaign = expanded_campaign(2, client=client)
    claim = claimed()
    record(claim, [State.FAILED, State.DELIVERED])
    queue.release(claim.chunk_id, claim.fence)
    lifecycle.set_status(client, campaign.object_id, "paused")
    assert retry.retry_failed(client, campaign.object_id) == 1
    go_through_retries()
    campaign.refresh_from_db()
    assert (campaign.status, states()) == ("paused", [State.QUEUED, State.DELIVERED])
    assert queue.claim(OWNER, now_ms(), LEASE_MS) is None


def test_a_cancelled_campaign_is_not_retried_and_a_cancel_leaves_the_failed_failed() -> None:
    campaign = finish([State.FAILED])
    retry.retry_failed(campaign.client, campaign.object_id)
    lifecycle.set_status(campaign.client, campaign.object_id, "cancelled")
    with pytest.raises(Conflict):
        retry.retry_failed(campaign.client, campaign.object_id)
    go_through_retries()
    assert states() == [State.FAILED]
    assert closing.close_finished_campaigns() == [campaign.pk]


def test_another_clients_campaign_is_not_found() -> None:
    campaign = finish([State.FAILED])
    with pytest.raises(NotFound):
        retry.retry_failed(make_client("other"), campaign.object_id)
    assert milliseconds(campaign.modified_on) == milliseconds(Campaign.objects.get(pk=campaign.pk).modified_on)
