"""Recovery: what becomes of a dead worker's chunk, with and without its journal."""

import os
import subprocess
from pathlib import Path
from typing import Literal

import pytest

from sendmill.delivery import queue
from sendmill.delivery.clock import now_ms
from sendmill.delivery.journal import Journal
from sendmill.delivery.leases import Lease, LeaseWatch
from sendmill.delivery.marks import NO_MARKS
from sendmill.delivery.models import Chunk, Delivery
from sendmill.delivery.owner import Owner, this_process
from sendmill.delivery.queue import Claim
from sendmill.delivery.recovery import Recovered, Recoverer
from sendmill.delivery.states import State
from sendmill.delivery.transmission import Outcome, OutcomeKind
from tests.database.delivery.making import LEASE_MS, expanded_campaign

pytestmark = pytest.mark.django_db


@pytest.fixture
def dead_owner(tmp_path: Path) -> Owner:
    """A process of this machine that has ended."""
    process = subprocess.Popen(["true"])
    node = this_process(tmp_path).node
    process.wait()
    return Owner(node, process.pid, 1)


class SteadyClock:
    """A steady clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def recoverer(
    folder: Path, node: str, in_doubt: Literal["resend", "hold"] = "resend", clock: SteadyClock | None = None
) -> Recoverer:
    watch = LeaseWatch(LEASE_MS / 1000, clock or SteadyClock())
    return Recoverer(
        node=node, journals=folder / "journals", retry_seconds=(60.0,), in_doubt=in_doubt, watch=watch
    )  # fmt: skip


def recover_until_the_lease_ends(recoverer: Recoverer, clock: SteadyClock) -> list[Recovered]:
    """Looks four times in the lease's length and once after its end; what the last look recovered."""
    for _ in range(5):
        assert recoverer.recover(now_ms()) == []
        clock.seconds += LEASE_MS / 4000
    return recoverer.recover(now_ms())


def claim_and_mark(owner: Owner, count: int) -> Claim:
    expanded_campaign(count)
    claim = queue.claim(str(owner), now_ms(), LEASE_MS)
    assert claim is not None
    queue.exchange({claim.chunk_id: claim}, [], [], claim.rows, now_ms())
    return claim


def states() -> list[State]:
    return [State(state) for state in Delivery.objects.order_by("id").values_list("state", flat=True)]


def outcome(delivery_id: int, kind: OutcomeKind, code: int | None = None) -> Outcome:
    return Outcome(delivery_id, kind, code, "the reply", "relay:25")


@pytest.mark.parametrize(("policy", "doubtful"), [("resend", State.UNCONFIRMED), ("hold", State.UNCONFIRMED_HELD)])
def test_the_journal_tells_answered_from_doubtful_from_never_sent(
    tmp_path: Path, dead_owner: Owner, policy: Literal["resend", "hold"], doubtful: State
):
    claim = claim_and_mark(dead_owner, 6)
    journal = Journal(tmp_path / "journals", dead_owner)
    accepted, rejected, deferred, in_doubt, cut, _never = [row.id for row in claim.rows]
    for number in (accepted, rejected, deferred, in_doubt, cut):
        journal.intend(number, claim.fence)
    journal.answer(outcome(accepted, OutcomeKind.ACCEPTED, 250), claim.fence)
    journal.answer(outcome(rejected, OutcomeKind.REJECTED, 550), claim.fence)
    journal.answer(outcome(deferred, OutcomeKind.DEFERRED, 451), claim.fence)
    journal.answer(outcome(cut, OutcomeKind.NOT_SENT), claim.fence)
    [found] = recoverer(tmp_path, dead_owner.node, policy).recover(now_ms())
    assert states() == [
        State.DELIVERED, State.FAILED, State.DEFERRED, doubtful, State.QUEUED, State.QUEUED
    ]  # fmt: skip
    assert (found.answered, found.in_doubt, found.returned) == (3, 1, 2)
    assert Delivery.objects.get(pk=rejected).reply == "the reply"
    chunk = Chunk.objects.get()
    assert (chunk.owner, chunk.due_ms is not None) == ("", True)
    assert chunk.fence > claim.fence


def test_lines_of_another_fence_say_nothing_about_this_one(tmp_path: Path, dead_owner: Owner):
    claim = claim_and_mark(dead_owner, 1)
    Journal(tmp_path / "journals", dead_owner).intend(claim.rows[0].id, claim.fence - 1)
    recoverer(tmp_path, dead_owner.node).recover(now_ms())
    assert states() == [State.QUEUED]


def test_what_a_node_of_the_version_before_was_sending_is_recovered_too(tmp_path: Path, dead_owner: Owner):
    claim = claim_and_mark(dead_owner, 5)
    Chunk.objects.update(being_sent=NO_MARKS)
    for row, state, next_attempt_ms in zip(claim.rows, (1, 1, 4, 1, 0), (None, 5, 5, None, None), strict=True):
        Delivery.objects.filter(pk=row.id).update(state=state, next_attempt_ms=next_attempt_ms)
    Journal(tmp_path / "journals", dead_owner).intend(claim.rows[3].id, claim.fence)
    [found] = recoverer(tmp_path, dead_owner.node).recover(now_ms())
    assert (found.answered, found.in_doubt, found.returned) == (0, 1, 3)
    assert states() == [State.QUEUED, State.DEFERRED, State.UNCONFIRMED, State.UNCONFIRMED, State.QUEUED]


def test_marks_of_an_owner_before_are_void(tmp_path: Path, dead_owner: Owner):
    claim = claim_and_mark(dead_owner, 2)
    # As a node of the version before frees and takes a chunk: without knowing of marks.
    Chunk.objects.update(fence=claim.fence + 2)
    Delivery.objects.filter(pk=claim.rows[0].id).update(state=State.DELIVERED)
    [found] = recoverer(tmp_path, dead_owner.node).recover(now_ms())
    assert (found.answered, found.in_doubt, found.returned) == (0, 0, 0)
    assert states() == [State.DELIVERED, State.QUEUED]


def test_a_torn_line_is_no_intent(tmp_path: Path, dead_owner: Owner):
    claim = claim_and_mark(dead_owner, 1)
    journal = Journal(tmp_path / "journals", dead_owner)
    journal.intend(claim.rows[0].id, claim.fence)
    [segment] = (tmp_path / "journals").glob("*.journal")
    os.truncate(segment, segment.read_bytes().index(b"\n"))
    recoverer(tmp_path, dead_owner.node).recover(now_ms())
    assert states() == [State.QUEUED]


def test_without_the_journal_of_another_machine_every_marked_row_is_in_doubt(tmp_path: Path):
    stranger = Owner("cccccccccccc", 1, 1)
    claim_and_mark(stranger, 2)
    clock = SteadyClock()
    # While its lease holds, whether it lives can't be seen from here.
    recover_until_the_lease_ends(recoverer(tmp_path, "dddddddddddd", clock=clock), clock)
    assert states() == [State.UNCONFIRMED, State.UNCONFIRMED]
    assert Delivery.objects.filter(attempts=1).count() == 2


def test_a_living_owner_is_left_alone_until_its_lease_ends(tmp_path: Path):
    me = this_process(tmp_path)
    claim = claim_and_mark(me, 1)
    clock = SteadyClock()
    [found] = recover_until_the_lease_ends(recoverer(tmp_path, me.node, clock=clock), clock)
    assert (found.chunk_id, found.returned) == (claim.chunk_id, 1)


def test_a_clock_that_jumps_takes_no_chunk_from_the_living(tmp_path: Path):
    me = this_process(tmp_path)
    claim_and_mark(me, 1)
    mine = recoverer(tmp_path, me.node)
    assert mine.recover(now_ms() + 3_600_000) == []
    assert mine.recover(now_ms() - 3_600_000) == []


def test_a_lease_that_was_renewed_before_it_could_be_recovered_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    me = this_process(tmp_path)
    claim = claim_and_mark(me, 1)
    clock = SteadyClock()
    mine = recoverer(tmp_path, me.node, clock=clock)
    look = LeaseWatch.ended

    def renewed_just_after(watch: LeaseWatch, leases: list[Lease]) -> set[Lease]:
        ended = look(watch, leases)
        if ended:
            queue.renew(str(me), [claim.chunk_id], now_ms() + 1, LEASE_MS)
        return ended

    monkeypatch.setattr(LeaseWatch, "ended", renewed_just_after)
    assert recover_until_the_lease_ends(mine, clock) == []
    assert Chunk.objects.get().being_sent != NO_MARKS


def test_settled_journals_of_the_dead_are_deleted_and_others_kept(tmp_path: Path, dead_owner: Owner):
    claim = claim_and_mark(dead_owner, 1)
    Journal(tmp_path / "journals", dead_owner).intend(claim.rows[0].id, claim.fence)
    Journal(tmp_path / "journals", this_process(tmp_path)).intend(1, 1)
    mine = recoverer(tmp_path, dead_owner.node)
    mine.delete_settled_journals()
    assert len(list((tmp_path / "journals").iterdir())) == 2
    mine.recover(now_ms())
    mine.delete_settled_journals()
    assert [path.name.split("-")[1] for path in (tmp_path / "journals").iterdir()] == [str(os.getpid())]


def test_the_journal_of_a_process_that_dies_just_now_is_kept(
    tmp_path: Path, dead_owner: Owner, monkeypatch: pytest.MonkeyPatch
):
    """It held nothing when the chunks in hand were looked at, and has taken one, sent and died since."""
    folder = tmp_path / "journals"
    before = Journal(folder, dead_owner)
    before.intend(1, 1)
    is_alive = Owner.is_alive

    def dies_now(owner: Owner) -> bool:
        if not Chunk.objects.exists():
            claim = claim_and_mark(dead_owner, 1)
            before.intend(claim.rows[0].id, claim.fence)
        return is_alive(owner)

    monkeypatch.setattr(Owner, "is_alive", dies_now)
    mine = recoverer(tmp_path, dead_owner.node)
    mine.delete_settled_journals()
    mine.recover(now_ms())
    assert states() == [State.UNCONFIRMED]
