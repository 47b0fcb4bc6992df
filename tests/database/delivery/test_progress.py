"""Progress: the counts kept with chunks, and those of what workers hold, always agree with the rows themselves."""

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from sendmill.campaigns import lifecycle
from sendmill.campaigns.models import Campaign
from sendmill.delivery import closing, expand, queue
from sendmill.delivery.clock import moment_of, now_ms
from sendmill.delivery.models import Chunk, Delivery
from sendmill.delivery.progress import count_campaign, progress_of
from sendmill.delivery.queue import Claim, ClaimedRow
from sendmill.delivery.recording import Attempt
from sendmill.delivery.reports import Reports
from sendmill.delivery.states import State
from tests.database.campaigns.making import make_client
from tests.database.delivery.making import LEASE_MS, addresses, expanded_campaign, opt_out, started_campaign

pytestmark = pytest.mark.django_db

OWNER = "aaaaaaaaaaaa:1:1"
NOTHING_SAID = Reports(0, [], {})


def claimed(now: int | None = None) -> Claim:
    claim = queue.claim(OWNER, now or now_ms(), LEASE_MS)
    assert claim is not None
    return claim


def record(claim: Claim, rows: list[ClaimedRow], state: State, next_attempt_ms: int | None = None) -> None:
    queue.exchange({claim.chunk_id: claim}, [], [], rows, now_ms())
    attempts = [Attempt(row.id, state, 1, now_ms(), next_attempt_ms, 450, "later", "relay:25") for row in rows]
    queue.exchange({claim.chunk_id: claim}, attempts, [], [], now_ms())


def rows_by_state() -> dict[State, int]:
    return dict(Counter(State(state) for state in Delivery.objects.values_list("state", flat=True)))


def is_counted(chunk_id: int) -> bool:
    chunk = Chunk.objects.get(pk=chunk_id)
    return chunk.counted_fence == chunk.fence


def test_counts_are_kept_with_a_chunk_from_its_expansion_on() -> None:
    client = make_client()
    opt_out(client, "person1@example.com")
    campaign = expanded_campaign(5, rows=2, client=client)
    assert all(is_counted(chunk.pk) for chunk in Chunk.objects.all())
    assert count_campaign(campaign.pk).by_state == {State.QUEUED: 4, State.OPTOUT: 1} == rows_by_state()


def test_a_chunk_that_is_given_back_for_a_while_has_no_retry() -> None:
    campaign = expanded_campaign(2)
    claim, later = claimed(), now_ms() + 60_000
    queue.release(claim.chunk_id, claim.fence, later)
    assert count_campaign(campaign.pk).next_due_ms is None
    claim = claimed(later)
    record(claim, claim.rows[:1], State.DEFERRED, later + 1)
    record(claim, claim.rows[1:], State.DELIVERED)
    queue.release(claim.chunk_id, claim.fence)
    assert count_campaign(campaign.pk).next_due_ms == later + 1


def test_what_a_worker_holds_is_counted_row_by_row_and_kept_when_it_is_given_back() -> None:
    campaign = expanded_campaign(5)
    claim = claimed()
    assert not is_counted(claim.chunk_id)
    due_ms = now_ms() + 60_000
    record(claim, claim.rows[:2], State.DELIVERED)
    record(claim, claim.rows[2:3], State.DEFERRED, due_ms)
    expected = {State.DELIVERED: 2, State.DEFERRED: 1, State.QUEUED: 2}
    assert count_campaign(campaign.pk).by_state == expected == rows_by_state()
    record(claim, claim.rows[3:], State.FAILED)
    queue.release(claim.chunk_id, claim.fence)
    assert is_counted(claim.chunk_id)
    found = count_campaign(campaign.pk)
    assert found.by_state == {State.DELIVERED: 2, State.DEFERRED: 1, State.FAILED: 2} == rows_by_state()
    assert found.next_due_ms == due_ms


def test_counts_of_an_older_fence_are_not_believed() -> None:
    """A node of an older version claims and gives back without counting."""
    campaign = expanded_campaign(3)
    Chunk.objects.update(fence=7, counts='{"10":999}')
    assert count_campaign(campaign.pk).by_state == {State.QUEUED: 3}


def test_a_cancelled_campaign_is_counted_anew() -> None:
    client = make_client()
    campaign = expanded_campaign(3, client=client)
    lifecycle.set_status(client, campaign.object_id, "cancelled")
    closing.close_chunks_of_cancelled(now_ms())
    assert count_campaign(campaign.pk).by_state == {State.CANCELLED: 3} == rows_by_state()
    assert all(is_counted(chunk.pk) for chunk in Chunk.objects.all())


def test_recipients_still_to_be_expanded_are_queued() -> None:
    campaign = started_campaign(addresses(5))
    progress = progress_of(campaign, NOTHING_SAID, timezone.now())
    assert (progress.recipients, progress.counts["queued"]) == (5, 5)
    expand.expand_step(campaign.pk, now_ms(), rows=2)
    progress = progress_of(campaign, NOTHING_SAID, timezone.now())
    assert (progress.recipients, progress.counts["queued"], progress.complete) == (5, 5, 0)


def test_the_expected_end_goes_by_what_is_queued_and_the_rate() -> None:
    campaign = expanded_campaign(10)
    campaign.refresh_from_db()
    now = timezone.now()
    progress = progress_of(campaign, Reports(1, [], {campaign.pk: 2.0}), now)
    assert progress.rate == 2.0
    assert progress.expected_end == now + timedelta(seconds=5)
    assert progress_of(campaign, NOTHING_SAID, now).expected_end is None


def test_a_deferred_recipient_has_its_next_retry_unless_the_campaign_is_paused() -> None:
    client = make_client()
    campaign = expanded_campaign(1, client=client)
    claim = claimed()
    due_ms = now_ms() + 60_000
    record(claim, claim.rows, State.DEFERRED, due_ms)
    queue.release(claim.chunk_id, claim.fence)
    campaign.refresh_from_db()
    assert progress_of(campaign, NOTHING_SAID, timezone.now()).next_retry == moment_of(due_ms)
    lifecycle.set_status(client, campaign.object_id, "paused")
    paused = Campaign.objects.get(pk=campaign.pk)
    progress = progress_of(paused, Reports(1, [], {campaign.pk: 2.0}), timezone.now())
    assert (progress.next_retry, progress.rate) == (None, 0.0)
