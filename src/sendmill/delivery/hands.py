"""What a worker has in its hands: chunks, the rows it has still to send, and those that are on their way.

No database and no network here: `worker` asks these and does the rest.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from sendmill.delivery.clock import steady_seconds
from sendmill.delivery.gates import Gate
from sendmill.delivery.queue import Claim, ClaimedRow, chunk_of
from sendmill.delivery.render import CampaignMessage
from sendmill.delivery.sending_tally import SendingTally


@dataclass(slots=True)
class Hand:
    """A chunk in hand, `since` a moment of the steady clock. Nothing of it may leave after `deadline`, another.

    `rows` wait for their turn, those in `parked` for a domain that is at its limit. `gates` are those that all its rows
    go through. `outstanding` counts its rows that are on their way. `is_let_go`: nothing more of it begins here, for
    its campaign was stopped or it is given back. `not_before_ms`: whoever takes it next should not do so earlier.
    """

    claim: Claim
    message: CampaignMessage
    deadline: float
    rows: deque[ClaimedRow]
    gates: tuple[Gate, ...] = ()
    parked: dict[Gate, deque[ClaimedRow]] = field(default_factory=dict)
    outstanding: int = 0
    is_let_go: bool = False
    not_before_ms: int = 0
    since: float = field(default_factory=steady_seconds)

    @property
    def waiting(self) -> int:
        """How many rows are still to be sent."""
        return len(self.rows) + (sum(map(len, self.parked.values())) if self.parked else 0)

    def park(self, row: ClaimedRow, gate: Gate) -> None:
        """Its domain is at its limit."""
        self.parked.setdefault(gate, deque()).append(row)

    def unpark(self) -> None:
        """Limits have changed: all wait for their turn again."""
        for parked in self.parked.values():
            self.rows.extend(parked)
        self.parked.clear()

    def let_go(self) -> None:
        """Begin nothing more of it."""
        self.rows.clear()
        self.parked.clear()
        self.is_let_go = True


@dataclass(slots=True)
class Outstanding:
    """A marked row whose outcome isn't recorded yet.

    `since_ms` is when it was handed to a connection, `since` the same by the steady clock. `is_leaving`: its last
    byte has been allowed to leave, at `left`. `is_revoked`: it must not leave any more. `is_concluded`: it has its
    outcome, which is about to be recorded.
    """

    row: ClaimedRow
    hand: Hand
    since_ms: int
    since: float
    left: float = 0.0
    is_leaving: bool = False
    is_revoked: bool = False
    is_concluded: bool = False


class Hands:
    """All chunks in a worker's hands, and the tally of what was answered."""

    def __init__(self) -> None:
        self.tally = SendingTally()
        self._by_chunk: dict[int, Hand] = {}
        self._outstanding: dict[int, Outstanding] = {}
        self._recorded: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._by_chunk)

    def all(self) -> list[Hand]:
        """Every chunk, as of now."""
        return list(self._by_chunk.values())

    def add(self, claim: Claim, message: CampaignMessage, deadline: float, gates: tuple[Gate, ...] = ()) -> None:
        """A chunk that was claimed."""
        self._by_chunk[claim.chunk_id] = Hand(claim, message, deadline, deque(claim.rows), gates)

    def remove(self, chunk_id: int) -> list[Outstanding] | None:
        """Forget a chunk; the deliveries of it that are on their way, None if it wasn't in hand."""
        hand = self._by_chunk.pop(chunk_id, None)
        if hand is None:
            return None
        if not hand.outstanding:
            return []
        left = [held for held in self._outstanding.values() if held.hand is hand]
        for held in left:
            del self._outstanding[held.row.id]
        return left

    def claims(self) -> dict[int, Claim]:
        """The claims by chunk."""
        return {chunk_id: hand.claim for chunk_id, hand in self._by_chunk.items()}

    @property
    def is_sending(self) -> bool:
        """Whether anything is on its way."""
        return bool(self._outstanding)

    def campaign_ids(self) -> set[int]:
        """The campaigns that chunks are in hand of."""
        return {hand.claim.campaign_id for hand in self._by_chunk.values()}

    def waiting_rows(self) -> int:
        """How many rows are still to be sent."""
        return sum(hand.waiting for hand in self._by_chunk.values())

    def put_back(self, row: ClaimedRow) -> None:
        """A row that was taken and can't be sent yet."""
        self._by_chunk[chunk_of(row.id)].rows.append(row)

    def hand_over(self, row: ClaimedRow, now_ms: int, now: float) -> Outstanding | None:
        """A marked row is on its way now; None if its chunk was lost."""
        hand = self._by_chunk.get(chunk_of(row.id))
        if hand is None:
            return None
        hand.outstanding += 1
        held = self._outstanding[row.id] = Outstanding(row, hand, now_ms, now)
        return held

    def outstanding(self, delivery_id: int) -> Outstanding | None:
        """The delivery, if it is on its way."""
        return self._outstanding.get(delivery_id)

    def settle(self, delivery_id: int, again: bool) -> None:
        """A delivery's outcome is recorded. `again`: nothing left, so it is taken up again in its turn.

        Of a chunk that was let go it is not: whoever claims that next takes it up.
        """
        held = self._outstanding.pop(delivery_id, None)
        if held is not None:
            held.hand.outstanding -= 1
            if not again:
                campaign_id = held.hand.claim.campaign_id
                self._recorded[campaign_id] = self._recorded.get(campaign_id, 0) + 1
            elif not held.hand.is_let_go:
                held.hand.rows.append(held.row)

    def take_recorded(self) -> dict[int, int]:
        """How many outcomes of each campaign have been recorded since the last call."""
        recorded, self._recorded = self._recorded, {}
        return recorded

    def let_go(self, chunk_ids: Collection[int]) -> None:
        """Send no more of these chunks than is leaving already."""
        for chunk_id in chunk_ids:
            hand = self._by_chunk.get(chunk_id)
            if hand is not None:
                hand.let_go()

    def late(self, before: float) -> list[ClaimedRow]:
        """The rows handed over before that moment of the steady clock whose last byte hasn't been allowed to leave."""
        return [held.row for held in self._outstanding.values() if held.since < before and not held.is_leaving]

    def finished(self) -> list[Hand]:
        """The chunks with nothing left to do."""
        return [hand for hand in self._by_chunk.values() if not hand.outstanding and not hand.waiting]
