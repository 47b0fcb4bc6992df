"""What is kept of the attempts that did not end a delivery: each once, exactly, and never without end."""

from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sendmill.delivery import queue, retry
from sendmill.delivery.clock import now_ms
from sendmill.delivery.journal import Journal
from sendmill.delivery.models import Chunk, Delivery, DeliveryAttempt
from sendmill.delivery.owner import Owner
from sendmill.delivery.queue import Claim, ClaimedRow
from sendmill.delivery.recording import MOST_KEPT, Attempt
from sendmill.delivery.states import State
from sendmill.delivery.transmission import OutcomeKind
from sendmill.results.history import Word, history_of
from tests.database.campaigns.making import make_client
from tests.database.delivery.making import expanded_campaign
from tests.database.delivery.test_queue import claimed, mark
from tests.database.delivery.test_recovery import dead_owner, outcome, recoverer  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db


def attempt(row: ClaimedRow, state: State, reply: str, code: int | None = 451) -> Attempt:
    return Attempt(
        row.id, state, row.attempts + 1, 1_000, None if state >= State.DELIVERED else 0, code, reply, "mx:25"
    )


def send(state: State, *replies: str, now: int) -> None:
    """An attempt to everybody of the only chunk, with a reply for each."""
    claim = claimed()
    mark(claim, claim.rows)
    attempts = [attempt(row, state, reply) for row, reply in zip(claim.rows, replies, strict=True)]
    queue.exchange({claim.chunk_id: claim}, attempts, [], [], now)
    queue.release(claim.chunk_id, claim.fence)


def told(number: int) -> list[tuple[str, int, str]]:
    row = Delivery.objects.get(pk=number)
    own = Word(State(row.state), row.attempts, row.modified_ms, row.reply_code, row.reply, row.relay)
    return [(word.disposition, word.recorded_ms, word.reply) for word in history_of(number, own)]


def kept() -> list[tuple[int, State, int, str]]:
    rows = DeliveryAttempt.objects.order_by("pk").values_list("delivery_id", "state", "recorded_ms", "reply")
    return [(number, State(state), at, reply) for number, state, at, reply in rows]


def test_each_attempt_that_ended_nothing_is_kept_and_a_repeated_exchange_keeps_it_once() -> None:
    expanded_campaign(12)
    claim: Claim = claimed()
    mark(claim, claim.rows)
    attempts = [attempt(row, State.DEFERRED, f"later, {row.email}") for row in claim.rows[:10]]
    attempts += [attempt(claim.rows[10], State.UNCONFIRMED, "no reply", None)]
    attempts += [attempt(claim.rows[11], State.DELIVERED, "taken", 250)]
    for _ in range(2):  # as when the database could not confirm the commit
        queue.exchange({claim.chunk_id: claim}, attempts, [], [], 5_000)
    assert sorted(kept()) == [
        *((row.id, State.DEFERRED, 5_000, f"later, {row.email}") for row in claim.rows[:10]),
        (claim.rows[10].id, State.UNCONFIRMED, 5_000, "no reply"),
    ]
    record = DeliveryAttempt.objects.get(delivery=claim.rows[10].id)
    assert (record.attempts, record.reply_code, record.relay) == (1, None, "mx:25")
    queue.release(claim.chunk_id, claim.fence)
    send(State.DELIVERED, *["taken"] * 11, now=9_000)
    first = claim.rows[0]
    assert told(first.id) == [("deferred", 5_000, f"later, {first.email}"), ("delivered", 9_000, "taken")]
    assert told(claim.rows[11].id) == [("delivered", 5_000, "taken")]


def test_who_is_delivered_at_once_costs_no_statement_more() -> None:
    expanded_campaign(9)
    claim = claimed()
    mark(claim, claim.rows)
    attempts = [attempt(row, State.DELIVERED, "taken", 250) for row in claim.rows]
    with CaptureQueriesContext(connection) as queries:
        queue.exchange({claim.chunk_id: claim}, attempts, [], [], 5_000)
    assert not [query for query in queries if "deliveryattempt" in query["sql"]]
    assert len([query for query in queries if "UPDATE delivery_delivery" in query["sql"]]) == 1


def test_whose_chunk_was_taken_over_keeps_nothing() -> None:
    expanded_campaign(1)
    claim = claimed()
    mark(claim, claim.rows)
    Chunk.objects.update(fence=claim.fence + 1)
    queue.exchange({claim.chunk_id: claim}, [attempt(claim.rows[0], State.DEFERRED, "late")], [], [], 5_000)
    assert kept() == []


def test_what_a_dead_worker_had_in_hand_is_kept_too(tmp_path: Path, dead_owner: Owner) -> None:  # noqa: F811
    expanded_campaign(3)
    claim = claimed(str(dead_owner))
    mark(claim, claim.rows)
    journal = Journal(tmp_path / "journals", dead_owner)
    for row in claim.rows:
        journal.intend(row.id, claim.fence)
    journal.answer(outcome(claim.rows[0].id, OutcomeKind.DEFERRED, 451), claim.fence)
    journal.answer(outcome(claim.rows[1].id, OutcomeKind.ACCEPTED, 250), claim.fence)
    recoverer(tmp_path, dead_owner.node).recover(7_000)
    assert [found[:3] for found in kept()] == [
        (claim.rows[0].id, State.DEFERRED, 7_000),
        (claim.rows[2].id, State.UNCONFIRMED, 7_000),
    ]


def test_a_failure_is_kept_when_it_is_sent_again() -> None:
    campaign = expanded_campaign(3, client=make_client())
    send(State.DEFERRED, *["later"] * 3, now=1_000)
    send(State.FAILED, *["no such user"] * 3, now=2_000)
    first, second, third = Delivery.objects.order_by("id").values_list("id", flat=True)
    Delivery.objects.filter(pk=third).update(state=State.DELIVERED, reply="taken")
    retry.retry_failed(campaign.client, campaign.object_id)
    (chunk_id,) = retry.next_retry_chunks()
    retry.retry_chunk(chunk_id, now_ms())
    assert told(third) == [("deferred", 1_000, "later"), ("delivered", 2_000, "taken")]
    assert [number for number, *_ in kept()].count(third) == 1, "nothing of who is not sent to again"
    before = [("deferred", 1_000, "later"), ("failed", 2_000, "no such user")]
    assert told(first) == before, "once, though its row still says so"
    send(State.FAILED, "no such user", "no such user", now=3_000)
    assert told(second) == [*before, ("failed", 3_000, "no such user")]


def test_the_last_attempts_stay_within_a_round_and_over_many() -> None:
    campaign = expanded_campaign(2, client=make_client())
    for number in range(MOST_KEPT + 5):
        send(State.DEFERRED, f"{number}", f"{number}", now=1_000 + number)
    assert [reply for *_, reply in kept()][::2] == [str(number) for number in range(5, MOST_KEPT + 5)]
    for number in range(100, 100 + MOST_KEPT):
        send(State.FAILED, f"{number}", f"{number}", now=1_000 + number)
        retry.retry_failed(campaign.client, campaign.object_id)
        (chunk_id,) = retry.next_retry_chunks()
        retry.retry_chunk(chunk_id, now_ms())
    assert [reply for *_, reply in kept()][::2] == [str(number) for number in range(100, 100 + MOST_KEPT)]
