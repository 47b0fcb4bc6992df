"""What a worker should claim, by what it has in hand, and what it should give back. Pure.

What a limit or a relay that is down keeps back is no reason to do nothing else: such rows don't count as work, and of
whoever is kept back nothing more is claimed. Chunks of which only rows at their domain's limit are left are kept in
small number, the rest is given back for a while, so that the other rows of the campaign come to their turn; and so are
chunks whose relays are down, so that those of many small campaigns don't fill the hands. What is held for long, for
whatever reason, is given back and claimed anew: what has come due of it meanwhile is not known here.
"""

from collections.abc import Iterable, Sequence

from sendmill.delivery.gates import Gate, LimitKind
from sendmill.delivery.hands import Hand
from sendmill.delivery.queue import PassingOver
from sendmill.delivery.routes import Room

# Below this many rows that can go, the next chunk is fetched, so that the connections never wait for it.
LOW_WATER = 500
# Chunks of so many campaigns are worked on at once: a small one doesn't wait for a large one.
MOST_CHUNKS = 8
# For memory no more than this: with so many in hand, nothing is claimed that is kept back.
MOST_KEPT_BACK = 32
MOST_HANDS = MOST_KEPT_BACK + MOST_CHUNKS
# So many chunks are kept of which all that is left is at its domain's limit.
KEPT_PARKED = 4
SHORTEST_AWAY, LONGEST_AWAY = 1.0, 120.0
AWAY_WITHOUT_RATE = 5.0
# So many are kept whose relays are down; the rest comes again after so many seconds.
KEPT_CUT_OFF = MOST_CHUNKS
AWAY_CUT_OFF = 10.0
# A deferred recipient waits so long at most for the rest of its chunk; so does a retry of those that failed.
LONGEST_HELD = 60.0


def is_kept_back(hand: Hand, room: Room) -> bool:
    """Whether nothing of the chunk can go now, whatever room there is."""
    return not room.is_up(hand.message.route) or not all(gate.is_open for gate in hand.gates)


def ready_rows(hands: Sequence[Hand], room: Room) -> int:
    """How many rows can go as soon as there is room."""
    return sum(len(hand.rows) for hand in hands if hand.rows and not is_kept_back(hand, room))


def passing_over(hands: Sequence[Hand], room: Room, gates: Iterable[Gate] = ()) -> PassingOver:
    """Whose chunks are not to be claimed: enough of them is in hand, and kept back. `gates` are all there are."""
    if len(hands) >= MOST_KEPT_BACK:
        return _all_kept_back(hands, room, gates)
    by_campaign: dict[int, int] = {}
    by_client: dict[str, int] = {}
    by_sender: dict[str, int] = {}
    for hand in hands:
        if not room.is_up(hand.message.route):
            campaign_id = hand.claim.campaign_id
            by_campaign[campaign_id] = by_campaign.get(campaign_id, 0) + hand.waiting
        for gate in hand.gates:
            if gate.is_open:
                continue
            if gate.key.kind is LimitKind.CLIENT:
                by_client[gate.key.name] = by_client.get(gate.key.name, 0) + hand.waiting
            else:
                by_sender[gate.key.name] = by_sender.get(gate.key.name, 0) + hand.waiting
    return PassingOver(
        campaign_ids={campaign_id for campaign_id, waiting in by_campaign.items() if waiting >= LOW_WATER},
        clients={client for client, waiting in by_client.items() if waiting >= LOW_WATER},
        senders={sender for sender, waiting in by_sender.items() if waiting >= LOW_WATER},
    )


def give_back(hands: Sequence[Hand], room: Room, now_ms: int, now: float) -> None:
    """Let go of what should not stay in hand. `now` is of the steady clock."""
    give_back_parked(hands, now_ms)
    give_back_cut_off(hands, room, now_ms)
    give_back_long_held(hands, now_ms, now)


def give_back_parked(hands: Sequence[Hand], now_ms: int) -> None:
    """Let go of chunks with nothing but parked rows, beyond those that are kept, for about as long as these take."""
    parked = [hand for hand in hands if hand.parked and not hand.rows and not hand.outstanding]
    for hand in parked[KEPT_PARKED:]:
        hand.not_before_ms = now_ms + int(1000 * max(_seconds_away(hand, parked[:KEPT_PARKED])))
        hand.let_go()


def give_back_cut_off(hands: Sequence[Hand], room: Room, now_ms: int) -> None:
    """Let go of chunks whose relays are down while others are up, beyond those that are kept, for a while."""
    cut_off = [hand for hand in hands if hand.waiting and not hand.outstanding and not room.is_up(hand.message.route)]
    for hand in cut_off[KEPT_CUT_OFF:]:
        hand.not_before_ms = now_ms + int(1000 * AWAY_CUT_OFF)
        hand.let_go()


def give_back_long_held(hands: Sequence[Hand], now_ms: int, now: float) -> None:
    """Let go of chunks that have been in hand for long; `now` is of the steady clock. If the hands are full, whoever
    has no chunk there comes first."""
    for hand in hands:
        if hand.waiting and now - hand.since > LONGEST_HELD:
            if len(hands) >= MOST_KEPT_BACK:
                hand.not_before_ms = now_ms + int(1000 * SHORTEST_AWAY)
            hand.let_go()


def _all_kept_back(hands: Sequence[Hand], room: Room, gates: Iterable[Gate]) -> PassingOver:
    """Whoever is kept back, in hand or not, however little of it is there."""
    closed = [gate.key for gate in gates if not gate.is_open]
    return PassingOver(
        campaign_ids={hand.claim.campaign_id for hand in hands if not room.is_up(hand.message.route)},
        clients={key.name for key in closed if key.kind is LimitKind.CLIENT},
        senders={key.name for key in closed if key.kind is LimitKind.SENDER},
    )


def _seconds_away(hand: Hand, kept: Sequence[Hand]) -> list[float]:
    """For each of its gates, how long the rows that are kept will take."""
    seconds = []
    for gate in hand.parked:
        if gate.values.rate is None:
            seconds.append(AWAY_WITHOUT_RATE)
            continue
        rows = sum(len(other.parked[gate]) for other in kept if gate in other.parked)
        seconds.append(min(max(rows / gate.values.rate, SHORTEST_AWAY), LONGEST_AWAY))
    return seconds
