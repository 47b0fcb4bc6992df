"""The queue's contract, the same on SQLite and on PostgreSQL."""

import pytest

from sendmill.campaigns import lifecycle
from sendmill.campaigns.models import Campaign, Phase
from sendmill.delivery import closing, queue
from sendmill.delivery.clock import now_ms
from sendmill.delivery.marks import marked_ids
from sendmill.delivery.models import Chunk, Delivery
from sendmill.delivery.queue import Claim, ClaimedRow, chunk_of
from sendmill.delivery.recording import Attempt
from sendmill.delivery.states import State
from tests.database.campaigns.making import make_client
from tests.database.delivery.making import LEASE_MS, expanded_campaign, opt_out

pytestmark = pytest.mark.django_db

OWNER = "aaaaaaaaaaaa:1:1"
OTHER = "bbbbbbbbbbbb:2:2"


def claimed(owner: str = OWNER, now: int | None = None) -> Claim:
    claim = queue.claim(owner, now or now_ms(), LEASE_MS)
    assert claim is not None
    return claim


def attempt(row: ClaimedRow, state: State, next_attempt_ms: int | None = None, code: int | None = 250) -> Attempt:
    return Attempt(row.id, state, row.attempts + 1, now_ms(), next_attempt_ms, code, "2.0.0 Ok", "relay:25")


def mark(claim: Claim, rows: list[ClaimedRow]) -> queue.Exchange:
    return queue.exchange({claim.chunk_id: claim}, [], [], rows, now_ms())


def record(claim: Claim, attempts: list[Attempt]) -> queue.Exchange:
    return queue.exchange({claim.chunk_id: claim}, attempts, [], [], now_ms())


def states() -> list[State]:
    return [State(state) for state in Delivery.objects.order_by("id").values_list("state", flat=True)]


def being_sent(claim: Claim) -> list[int]:
    """Which of a claim's rows are marked, by their numbers in it."""
    marked = marked_ids(claim.chunk_id, Chunk.objects.get(pk=claim.chunk_id).being_sent, claim.fence)
    return [[row.id for row in claim.rows].index(number) for number in marked]


def test_a_claim_carries_all_that_rendering_needs():
    campaign = expanded_campaign(3)
    claim = claimed()
    assert claim.campaign_id == campaign.pk
    assert [row.email for row in claim.rows] == ["person0@example.com", "person1@example.com", "person2@example.com"]
    assert claim.rows[0].name == "Name of person0@example.com"
    assert claim.rows[0].fields == '{"city":"Köln"}'
    assert (claim.rows[0].state, claim.rows[0].attempts) == (State.QUEUED, 0)
    assert {chunk_of(row.id) for row in claim.rows} == {claim.chunk_id}


def test_a_chunk_has_one_owner_at_a_time():
    expanded_campaign(20, rows=10)
    first, second = claimed(OWNER), claimed(OTHER)
    assert first.chunk_id != second.chunk_id
    assert queue.claim(OWNER, now_ms(), LEASE_MS) is None
    assert set(Chunk.objects.values_list("owner", flat=True)) == {OWNER, OTHER}


def test_nothing_is_claimed_of_a_campaign_that_is_paused_or_cancelled():
    client = make_client()
    campaign = expanded_campaign(3, client=client)
    lifecycle.set_status(client, campaign.object_id, "paused")
    assert queue.claim(OWNER, now_ms(), LEASE_MS) is None
    lifecycle.set_status(client, campaign.object_id, "active")
    claim = claimed()
    queue.release(claim.chunk_id, claim.fence)
    lifecycle.set_status(client, campaign.object_id, "cancelled")
    assert queue.claim(OWNER, now_ms(), LEASE_MS) is None


def test_the_campaign_with_the_fewest_chunks_in_hand_comes_first():
    large = expanded_campaign(30, rows=10)
    assert claimed().campaign_id == large.pk
    small = expanded_campaign(2)
    assert claimed().campaign_id == small.pk
    assert claimed().campaign_id == large.pk


def test_campaigns_clients_and_senders_can_be_passed_over():
    campaign = expanded_campaign(2)
    sender = campaign.frozen_sender.lower()
    for passing_over in (
        queue.PassingOver(campaign_ids={campaign.pk}),
        queue.PassingOver(clients={campaign.client.object_id}),
        queue.PassingOver(senders={sender, "other@example.org"}),
    ):
        assert queue.claim(OWNER, now_ms(), LEASE_MS, passing_over) is None
    others = queue.PassingOver({campaign.pk + 1}, {"0" * 24}, {"other@example.org"})
    assert queue.claim(OWNER, now_ms(), LEASE_MS, others) is not None


def test_a_chunk_can_be_given_back_for_a_while():
    expanded_campaign(2)
    claim = claimed()
    later = now_ms() + 60_000
    queue.release(claim.chunk_id, claim.fence, later)
    assert queue.claim(OWNER, now_ms(), LEASE_MS) is None
    assert len(claimed(now=later).rows) == 2


def test_marking_is_durable_before_sending_and_recording_ends_it():
    expanded_campaign(2)
    claim = claimed()
    assert mark(claim, claim.rows).marked == claim.rows
    assert being_sent(claim) == [0, 1]
    record(claim, [attempt(row, State.DELIVERED) for row in claim.rows])
    assert being_sent(claim) == []
    delivery = Delivery.objects.first()
    assert delivery is not None
    assert (delivery.state, delivery.attempts) == (State.DELIVERED, 1)
    assert (delivery.reply_code, delivery.reply, delivery.relay) == (250, "2.0.0 Ok", "relay:25")


def test_recording_twice_changes_nothing():
    expanded_campaign(1)
    claim = claimed()
    mark(claim, claim.rows)
    recorded = attempt(claim.rows[0], State.DELIVERED)
    record(claim, [recorded])
    before = Delivery.objects.values("state", "attempts", "start_ms").get()
    record(claim, [recorded])
    assert Delivery.objects.values("state", "attempts", "start_ms").get() == before


def test_marks_of_what_is_done_again_after_an_unconfirmed_commit_are_those_of_the_last_time():
    client = make_client()
    campaign = expanded_campaign(3, client=client)
    claim = claimed()
    mark(claim, claim.rows)
    opt_out(client, "person1@example.com")
    assert mark(claim, claim.rows).marked == [claim.rows[0], claim.rows[2]]
    assert being_sent(claim) == [0, 2]
    lifecycle.set_status(client, campaign.object_id, "paused")
    assert mark(claim, claim.rows).marked == []
    assert being_sent(claim) == []


def test_attempts_alike_and_others_are_recorded_with_their_own_replies():
    expanded_campaign(12)
    claim = claimed()
    mark(claim, claim.rows)
    replies = [f"2.0.0 Ok: queued as \"{number}'é" for number in range(10)]
    alike = [
        Attempt(row.id, State.DELIVERED, 1, 1_795_000_000_000, None, 250, reply, "relay:25")
        for row, reply in zip(claim.rows[:10], replies, strict=True)
    ]
    others = [attempt(claim.rows[10], State.DEFERRED, 1_795_000_060_000, 451), attempt(claim.rows[11], State.FAILED)]
    record(claim, [*alike[:5], *others, *alike[5:]])
    assert being_sent(claim) == []
    found = list(Delivery.objects.order_by("id"))
    assert [row.reply for row in found[:10]] == replies
    assert {
        (row.state, row.attempts, row.start_ms, row.next_attempt_ms, row.reply_code, row.relay) for row in found[:10]
    } == {(State.DELIVERED, 1, 1_795_000_000_000, None, 250, "relay:25")}
    assert (found[10].state, found[10].next_attempt_ms, found[10].reply_code) == (
        State.DEFERRED,
        1_795_000_060_000,
        451,
    )
    assert found[11].state == State.FAILED
    record(claim, alike)
    assert list(Delivery.objects.order_by("id").values("state", "attempts", "start_ms", "reply")) == [
        {"state": row.state, "attempts": row.attempts, "start_ms": row.start_ms, "reply": row.reply} for row in found
    ]


@pytest.mark.parametrize(
    "different",
    [
        {"state": State.FAILED},
        {"attempts": 2},
        {"attempted_ms": 1_795_000_000_001},
        {"next_attempt_ms": 1_795_000_060_001},
        {"reply_code": 452},
        {"relay": "other:25"},
    ],
    ids=lambda different: next(iter(different)),
)
def test_attempts_that_differ_in_one_thing_alone_keep_their_own(different: dict[str, object]):
    expanded_campaign(20)
    claim = claimed()
    mark(claim, claim.rows)
    usual = Attempt(0, State.DEFERRED, 1, 1_795_000_000_000, 1_795_000_060_000, 451, "4.7.1 later", "relay:25")
    told = [
        usual._replace(delivery_id=row.id, **(different if number % 2 else {})) for number, row in enumerate(claim.rows)
    ]
    record(claim, told)
    assert [
        Attempt(row.id, State(row.state), row.attempts, row.start_ms, row.next_attempt_ms, row.reply_code, row.reply,
                row.relay)
        for row in Delivery.objects.order_by("id")
    ] == told  # fmt: skip


def test_start_is_the_first_attempt_and_stays_it():
    expanded_campaign(1)
    claim = claimed()
    row = claim.rows[0]
    queued_ms = Delivery.objects.get().start_ms
    first = attempt(row, State.DEFERRED, next_attempt_ms=now_ms())
    record(claim, [first._replace(attempted_ms=queued_ms + 5_000)])
    again = attempt(row, State.DELIVERED)
    record(claim, [again._replace(attempts=2, attempted_ms=queued_ms + 9_000)])
    delivery = Delivery.objects.get()
    assert (delivery.start_ms, delivery.attempts) == (queued_ms + 5_000, 2)


def test_an_opt_out_between_claim_and_mark_holds():
    client = make_client()
    expanded_campaign(3, client=client)
    claim = claimed()
    opt_out(client, "PERSON1@example.com")
    opt_out(make_client("Another"), "person0@example.com")
    done = mark(claim, claim.rows)
    assert [row.email for row in done.marked] == ["person0@example.com", "person2@example.com"]
    assert being_sent(claim) == [0, 2]
    assert states() == [State.QUEUED, State.OPTOUT, State.QUEUED]


@pytest.mark.parametrize("status", ["paused", "cancelled"])
def test_after_pause_or_cancel_nothing_more_is_marked_but_outcomes_are_recorded(status: str):
    client = make_client()
    campaign = expanded_campaign(2, client=client)
    claim = claimed()
    mark(claim, claim.rows[:1])
    lifecycle.set_status(client, campaign.object_id, status)
    done = queue.exchange(
        {claim.chunk_id: claim}, [attempt(claim.rows[0], State.DELIVERED)], [], claim.rows[1:], now_ms()
    )
    assert done.marked == []
    assert done.stopped_chunks == {claim.chunk_id}
    assert states() == [State.DELIVERED, State.QUEUED]


def test_a_late_write_is_refused_by_the_fence():
    expanded_campaign(2)
    late = claimed(OWNER)
    mark(late, late.rows)
    Chunk.objects.update(owner="", due_ms=now_ms())
    Delivery.objects.update(state=State.QUEUED)
    current = claimed(OTHER)
    assert current.fence > late.fence
    done = queue.exchange(
        {late.chunk_id: late}, [attempt(late.rows[0], State.DELIVERED)], [late.rows[1].id], late.rows, now_ms()
    )
    assert done.lost_chunks == {late.chunk_id}
    assert done.marked == []
    assert states() == [State.QUEUED, State.QUEUED]
    queue.release(late.chunk_id, late.fence)
    assert Chunk.objects.get().owner == OTHER


def test_unsent_rows_go_back_to_what_they_were():
    expanded_campaign(3)
    claim = claimed()
    in_doubt, deferred, _queued = claim.rows
    record(claim, [attempt(in_doubt, State.UNCONFIRMED, now_ms()), attempt(deferred, State.DEFERRED, now_ms())])
    mark(claim, claim.rows)
    assert being_sent(claim) == [0, 1, 2]
    queue.exchange({claim.chunk_id: claim}, [], [row.id for row in claim.rows], [], now_ms())
    assert being_sent(claim) == []
    assert states() == [State.UNCONFIRMED, State.DEFERRED, State.QUEUED]


def test_a_released_chunk_is_due_when_its_next_row_is():
    expanded_campaign(2)
    claim = claimed()
    later = now_ms() + 60_000
    mark(claim, claim.rows)
    record(claim, [attempt(claim.rows[0], State.DELIVERED), attempt(claim.rows[1], State.DEFERRED, later, 451)])
    queue.release(claim.chunk_id, claim.fence)
    assert Chunk.objects.get().due_ms == later
    assert queue.claim(OWNER, later - 1, LEASE_MS) is None
    again = claimed(now=later)
    assert [row.id for row in again.rows] == [claim.rows[1].id]
    assert (again.rows[0].state, again.rows[0].attempts) == (State.DEFERRED, 1)


def test_a_chunk_without_open_rows_is_done():
    campaign = expanded_campaign(1)
    claim = claimed()
    mark(claim, claim.rows)
    record(claim, [attempt(claim.rows[0], State.DELIVERED)])
    assert closing.close_finished_campaigns() == []
    queue.release(claim.chunk_id, claim.fence)
    assert Chunk.objects.get().due_ms is None
    assert closing.close_finished_campaigns() == [campaign.pk]
    assert Campaign.objects.get().status == "completed"


def test_a_chunk_released_with_a_row_still_marked_is_left_to_recovery():
    expanded_campaign(1)
    claim = claimed()
    mark(claim, claim.rows)
    queue.release(claim.chunk_id, claim.fence)
    chunk = Chunk.objects.get()
    assert (chunk.owner, chunk.lease_until_ms) == (OWNER, 0)


def test_renewing_tells_what_is_still_held():
    expanded_campaign(20, rows=10)
    first, second = claimed(), claimed()
    Chunk.objects.filter(pk=second.chunk_id).update(owner=OTHER)
    now = now_ms()
    assert queue.renew(OWNER, [first.chunk_id, second.chunk_id], now, LEASE_MS) == {first.chunk_id: first.fence}
    assert Chunk.objects.get(pk=first.chunk_id).lease_until_ms == now + LEASE_MS


def test_a_chunk_that_its_owner_does_not_know_of_is_not_renewed():
    expanded_campaign(20, rows=10)
    known, unconfirmed = claimed(), claimed()
    before = Chunk.objects.get(pk=unconfirmed.chunk_id).lease_until_ms
    assert queue.renew(OWNER, [known.chunk_id], now_ms() + 1_000, LEASE_MS) == {known.chunk_id: known.fence}
    assert Chunk.objects.get(pk=unconfirmed.chunk_id).lease_until_ms == before
    assert queue.renew(OWNER, [], now_ms(), LEASE_MS) == {}


def test_a_clock_that_goes_back_does_not_hold_up_what_is_queued():
    expanded_campaign(1)
    claim = claimed(now=now_ms() - 3_600_000)
    mark(claim, claim.rows)
    queue.exchange({claim.chunk_id: claim}, [], [row.id for row in claim.rows], [], now_ms())
    queue.release(claim.chunk_id, claim.fence)
    assert claimed(now=now_ms() - 7_200_000).rows == claim.rows


def test_a_recheck_finds_what_changed_since_rows_were_marked():
    client = make_client()
    campaign = expanded_campaign(2, client=client)
    claim = claimed()
    assert queue.recheck([claim.chunk_id], claim.rows) == (set(), set())
    opt_out(client, "Person1@example.com")
    lifecycle.set_status(client, campaign.object_id, "paused")
    assert queue.recheck([claim.chunk_id], claim.rows) == ({claim.chunk_id}, {claim.rows[1].id})
    assert queue.recheck([claim.chunk_id], []) == ({claim.chunk_id}, set())
    assert queue.recheck([], []) == (set(), set())


def test_only_the_owner_can_let_go_and_a_new_claim_takes_it_back():
    expanded_campaign(1)
    claim = claimed()
    queue.acknowledge_stop(OTHER, [claim.chunk_id])
    assert not Chunk.objects.get().is_let_go
    queue.acknowledge_stop(OWNER, [claim.chunk_id])
    assert Chunk.objects.get().is_let_go
    queue.release(claim.chunk_id, claim.fence)
    claimed(OTHER)
    assert not Chunk.objects.get().is_let_go


def test_a_cancel_makes_what_is_open_final_and_leaves_what_a_worker_holds():
    client = make_client()
    campaign = expanded_campaign(20, rows=10, client=client)
    held = claimed()
    mark(held, held.rows[:1])
    free = claimed(OTHER)
    record(free, [attempt(free.rows[0], State.UNCONFIRMED, now_ms() + 9_000, None)])
    queue.release(free.chunk_id, free.fence)
    lifecycle.set_status(client, campaign.object_id, "cancelled")
    assert closing.close_chunks_of_cancelled(now_ms()) == 1
    assert being_sent(held) == [0]
    assert states()[:10] == [State.QUEUED] * 10
    assert states()[10:] == [State.UNCONFIRMED_HELD] + [State.CANCELLED] * 9
    record(held, [attempt(held.rows[0], State.DELIVERED)])
    queue.release(held.chunk_id, held.fence)
    assert closing.close_chunks_of_cancelled(now_ms()) == 1
    assert closing.close_finished_campaigns() == [campaign.pk]
    assert states()[:10] == [State.DELIVERED] + [State.CANCELLED] * 9
    campaign.refresh_from_db()
    assert (campaign.status, campaign.phase) == ("cancelled", Phase.CLOSED)
