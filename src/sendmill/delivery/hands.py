"""What a worker has in its hands: chunks, the rows it has still to send, and those that are on their way.

No database and no network here: `worker` asks these and does the rest.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from sendmill.delivery.queue import Claim, ClaimedRow, chunk_of


@dataclass(slots=True)
class Outstanding:
    """A marked row whose outcome isn't recorded yet.

    `since_ms` is when it was handed to a connection. `is_leaving`: its last byte has been allowed to leave.
    `is_revoked`: it must not leave any more.
    """

    row: ClaimedRow
    since_ms: int
    is_leaving: bool = False
    is_revoked: bool = False


@dataclass(slots=True)
class Hand:
    """A chunk in hand. Nothing of it may leave after `deadline`, a moment of the monotonic clock."""

    claim: Claim
    deadline: float
    rows: deque[ClaimedRow]
    outstanding: dict[int, Outstanding] = field(default_factory=dict)


class Hands:
    """All chunks in a worker's hands."""

    def __init__(self) -> None:
        self._by_chunk: dict[int, Hand] = {}

    def __len__(self) -> int:
        return len(self._by_chunk)

    def all(self) -> list[Hand]:
        """Every chunk, as of now."""
        return list(self._by_chunk.values())

    def add(self, claim: Claim, deadline: float) -> None:
        """A chunk that was claimed."""
        self._by_chunk[claim.chunk_id] = Hand(claim, deadline, deque(claim.rows))

    def remove(self, chunk_id: int) -> Hand | None:
        """Forget a chunk; what was in hand of it."""
        return self._by_chunk.pop(chunk_id, None)

    def claims(self) -> dict[int, Claim]:
        """The claims by chunk."""
        return {chunk_id: hand.claim for chunk_id, hand in self._by_chunk.items()}

    def campaign_ids(self) -> set[int]:
        """The campaigns that chunks are in hand of."""
        return {hand.claim.campaign_id for hand in self._by_chunk.values()}

    def waiting_rows(self) -> int:
        """How many rows are still to be sent."""
        return sum(len(hand.rows) for hand in self._by_chunk.values())

    def take(self, most: int) -> list[ClaimedRow]:
        """Up to `most` rows, in turns from each chunk."""
        taken: list[ClaimedRow] = []
        hands = [hand for hand in self._by_chunk.values() if hand.rows]
        while hands and len(taken) < most:
            for hand in hands:
                if len(taken) < most:
                    taken.append(hand.rows.popleft())
            hands = [hand for hand in hands if hand.rows]
        return taken

    def put_back(self, row: ClaimedRow) -> None:
        """A row that was taken and can't be sent yet."""
        self._by_chunk[chunk_of(row.id)].rows.append(row)

    def hand_over(self, row: ClaimedRow, now_ms: int) -> Hand | None:
        """A marked row is on its way now; its chunk, None if that was lost."""
        hand = self._by_chunk.get(chunk_of(row.id))
        if hand is not None:
            hand.outstanding[row.id] = Outstanding(row, now_ms)
        return hand

    def hand_of(self, delivery_id: int) -> Hand | None:
        """The chunk in hand that a delivery belongs to."""
        return self._by_chunk.get(chunk_of(delivery_id))

    def outstanding(self, delivery_id: int) -> Outstanding | None:
        """The delivery, if it is on its way."""
        hand = self._by_chunk.get(chunk_of(delivery_id))
        return None if hand is None else hand.outstanding.get(delivery_id)

    def settle(self, delivery_id: int, again: bool) -> None:
        """A delivery's outcome is recorded. `again`: nothing left, so it is taken up again in its turn."""
        hand = self._by_chunk.get(chunk_of(delivery_id))
        held = None if hand is None else hand.outstanding.pop(delivery_id, None)
        if hand is not None and held is not None and again:
            hand.rows.append(held.row)

    def let_go(self, chunk_ids: Collection[int]) -> None:
        """Send no more of these chunks than is leaving already."""
        for chunk_id in chunk_ids:
            hand = self._by_chunk.get(chunk_id)
            if hand is not None:
                hand.rows.clear()

    def late(self, before_ms: int) -> list[ClaimedRow]:
        """The rows that were handed over before that moment and whose last byte has not been allowed to leave."""
        return [
            held.row
            for hand in self._by_chunk.values()
            for held in hand.outstanding.values()
            if held.since_ms < before_ms and not held.is_leaving
        ]

    def finished(self) -> list[Hand]:
        """The chunks with nothing left to do."""
        return [hand for hand in self._by_chunk.values() if not hand.rows and not hand.outstanding]
