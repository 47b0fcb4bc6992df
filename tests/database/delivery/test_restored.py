"""What a restored database leaves open, by what else is known of it."""

from collections import Counter
from collections.abc import Container
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from sendmill.campaigns.models import Campaign, Phase, Status
from sendmill.delivery import queue
from sendmill.delivery.chunk_counts import id_range
from sendmill.delivery.clock import now_ms
from sendmill.delivery.expand import expand_step
from sendmill.delivery.marks import NO_MARKS
from sendmill.delivery.models import Chunk, Delivery, RetryChunk
from sendmill.delivery.restored import (
    CHUNKS_PASSED_OVER,
    DeliveryIds,
    InDoubt,
    LastWord,
    Settled,
    Witnesses,
    logged_as,
    read_log,
    settle,
)
from sendmill.delivery.retry import retry_failed
from sendmill.delivery.states import State
from sendmill.delivery.transmission import Outcome, OutcomeKind
from sendmill.ids import KIND_DELIVERY, KIND_QUEUE, numbered
from sendmill.results.history import kept_words
from tests.database.campaigns.making import make_campaign, make_client
from tests.database.delivery.making import LEASE_MS, addresses, expanded_campaign, started_campaign

pytestmark = pytest.mark.django_db


def settled(in_doubt: InDoubt = "pause", logged: Container[int] = (), **words: LastWord) -> list[Settled]:
    journals = {int(number[1:]): word for number, word in words.items()}
    return settle(Witnesses(logged, journals), in_doubt, (60.0,), timezone.now())


def marked(count: int, of: int) -> tuple[Campaign, list[int]]:
    """A campaign of `of` recipients, of whom a worker that is gone has marked `count`; all their ids."""
    campaign = expanded_campaign(of)
    claim = queue.claim("000000000000:1:1", now_ms(), LEASE_MS)
    assert claim is not None
    queue.exchange({claim.chunk_id: claim}, [], [], claim.rows[:count], now_ms())
    return campaign, list(Delivery.objects.order_by("id").values_list("id", flat=True))


def states() -> list[State]:
    return [State(state) for state in Delivery.objects.order_by("id").values_list("state", flat=True)]


def outcome(number: int, kind: OutcomeKind) -> Outcome:
    return Outcome(delivery_id=number, kind=kind, code=250, reply="said so", relay="mail.test:25")


def test_a_running_campaign_comes_back_paused_and_its_open_recipients_are_at_stake() -> None:
    campaign, _ = marked(2, of=5)
    found = settled()
    assert found == [Settled(campaign.object_id, campaign.name, "paused", in_doubt=2, at_stake=3)]
    assert states() == [State.UNCONFIRMED] * 2 + [State.QUEUED] * 3
    campaign.refresh_from_db()
    assert campaign.status == Status.PAUSED
    chunk = Chunk.objects.get()
    assert (chunk.owner, chunk.counted_fence) == ("", chunk.fence)


def test_hold_makes_everybody_final_who_may_have_been_sent_to() -> None:
    marked(2, of=5)
    assert [(found.held, found.at_stake) for found in settled("hold")] == [(5, 0)]
    assert states() == [State.UNCONFIRMED_HELD] * 5
    assert Chunk.objects.get().due_ms is None
    # Whose message was not begun has no attempt.
    assert list(Delivery.objects.order_by("id").values_list("attempts", flat=True)) == [1, 1, 0, 0, 0]


def test_resend_lets_a_campaign_go_on() -> None:
    campaign, _ = marked(2, of=5)
    settled("resend")
    campaign.refresh_from_db()
    assert campaign.status == Status.ACTIVE
    claim = queue.claim("000000000000:2:2", now_ms() + 10, LEASE_MS)
    assert claim is not None
    assert len(claim.rows) == 5


@pytest.mark.parametrize("in_doubt", ["pause", "hold", "resend"])
def test_whom_the_log_names_was_delivered(in_doubt: InDoubt) -> None:
    campaign, ids = marked(2, of=5)
    ours = [numbered(campaign.object_id, KIND_QUEUE, number) for number in (ids[0], ids[4], 17)]
    of_another_installation = numbered("5" * 24, KIND_QUEUE, ids[1])
    log = [f"message-id=<{text}@books.example>".encode() for text in (*ours, of_another_installation)]
    found = settled(in_doubt, read_log(log))
    assert found[0].delivered == 2
    assert [number for number, state in zip(ids, states(), strict=True) if state is State.DELIVERED] == [ids[0], ids[4]]


def test_journals_that_are_left_are_believed() -> None:
    _, ids = marked(2, of=6)
    fence = Chunk.objects.get().fence
    words = {
        f"n{ids[0]}": LastWord(fence, outcome(ids[0], OutcomeKind.ACCEPTED)),
        f"n{ids[1]}": LastWord(fence, outcome(ids[1], OutcomeKind.REJECTED)),
        f"n{ids[2]}": LastWord(fence + 1, None),
        f"n{ids[3]}": LastWord(fence + 1, outcome(ids[3], OutcomeKind.DEFERRED)),
        f"n{ids[4]}": LastWord(fence + 1, outcome(ids[4], OutcomeKind.NOT_SENT)),
        f"n{ids[5]}": LastWord(fence - 1, None),  # from before the backup
    }
    settled("pause", **words)
    assert states() == [
        State.DELIVERED, State.FAILED, State.UNCONFIRMED, State.DEFERRED, State.QUEUED, State.QUEUED,
    ]  # fmt: skip


def test_a_4xx_that_the_backup_has_recorded_counts_once() -> None:
    _, ids = marked(1, of=1)
    fence = Chunk.objects.get().fence
    Delivery.objects.update(state=State.DEFERRED, attempts=1, reply="later", next_attempt_ms=now_ms())
    word = {f"n{ids[0]}": LastWord(fence, outcome(ids[0], OutcomeKind.DEFERRED))}
    being_sent = Chunk.objects.get().being_sent
    for marks, attempts in ((NO_MARKS, 1), (being_sent, 2)):  # marked, it was being sent again
        Chunk.objects.update(being_sent=marks, fence=fence)
        settled("pause", **word)
        assert list(Delivery.objects.values_list("attempts", flat=True)) == [attempts]


def test_who_had_no_row_yet_is_at_stake_too() -> None:
    campaign = started_campaign(addresses(7))
    expand_step(campaign.pk, now_ms(), 3)
    first = Chunk.objects.get().pk
    assert settled("hold")[0].held == 7
    assert Counter(states()) == {State.UNCONFIRMED_HELD: 7}
    # The numbers of chunks that were made after the backup are not used again.
    assert max(Chunk.objects.values_list("pk", flat=True)) > first + CHUNKS_PASSED_OVER


@pytest.mark.parametrize(
    ("in_doubt", "state", "held", "at_stake"),
    [("hold", State.UNCONFIRMED_HELD, 1, 0), ("pause", State.QUEUED, 0, 1), ("resend", State.QUEUED, 0, 1)],
)
def test_failed_ones_that_were_to_be_sent_again_are_at_stake_too(
    in_doubt: InDoubt, state: State, held: int, at_stake: int
) -> None:
    """In the backup they wait for a worker to give their chunk back; since then they may have been sent to."""
    campaign, ids = marked(1, of=2)
    fence = Chunk.objects.get().fence
    Delivery.objects.filter(pk=ids[1]).update(state=State.FAILED, attempts=1, reply_code=550, reply="unknown")
    assert retry_failed(campaign.client, campaign.object_id) == 1
    journal = {f"n{ids[1]}": LastWord(fence, outcome(ids[1], OutcomeKind.REJECTED))}
    [found] = settled(in_doubt, **journal)
    assert (found.held - (in_doubt == "hold"), found.at_stake) == (held, at_stake)
    assert states()[1] is state
    assert not RetryChunk.objects.exists()
    assert [word.reply for word in kept_words(*id_range(Chunk.objects.get().pk))[ids[1]]] == ["unknown"]


def test_numbers_are_passed_over_although_the_backup_has_no_chunk() -> None:
    campaign = started_campaign(addresses(2))
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":  # as in a database in which no campaign has been sent
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = 'delivery_chunk'")
    settled("resend")
    assert Chunk.objects.get(campaign=campaign).pk > CHUNKS_PASSED_OVER


def test_only_what_has_come_due_is_paused_of_what_had_not_started() -> None:
    client, now = make_client(), timezone.now()
    due = make_campaign(client, starts_at=now - timedelta(minutes=5))
    later = make_campaign(client, starts_at=now + timedelta(hours=1))
    closed = make_campaign(client, phase=Phase.CLOSED, status=Status.COMPLETED)
    assert [(found.object_id, found.is_due) for found in settled()] == [(due.object_id, True), (later.object_id, False)]
    found = dict(Campaign.objects.values_list("object_id", "status"))
    assert found == {due.object_id: "paused", later.object_id: "active", closed.object_id: "completed"}


def test_a_log_is_read_for_our_message_ids_alone() -> None:
    campaign = "6b0435195048d750955c9a41"
    ours = numbered(campaign, KIND_QUEUE, 4096)
    result = numbered(campaign, KIND_DELIVERY, 4097)
    lines = [
        f"postfix/cleanup[1]: 4F1: message-id=<{ours}@books.example>".encode(),
        f"<{result}@books.example> <{ours[:-2]}@x> <a{ours}@x> {ours}".encode(),
        b"\xff\xfe message-id=<20261125@other.example>",
    ]
    found = read_log(lines)
    assert [number for number in range(3_000, 9_000) if logged_as(campaign, number) in found] == [4096]


def test_deliveries_are_told_apart() -> None:
    numbers = {0, 1, 1023, 1024, 5 << 10, (1 << 40) + 999}
    found = DeliveryIds(numbers)
    near = {number + step for number in numbers for step in (-1024, -1, 0, 1, 1024)}
    assert {number for number in near if number in found} == numbers
