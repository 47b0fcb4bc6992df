"""The states of a delivery: a closed set, and what the API shows for each."""

from enum import IntEnum


class State(IntEnum):
    """One recipient's state. The numbers are stored.

    queued → delivered | failed | deferred | unconfirmed; and opt-out, cancelled, invalid without sending. That a row is
    being sent is not its state but its chunk's mark (`marks`); nodes of the version before mark it as `SENDING`, or
    `SENDING_AGAIN` of one in doubt. `UNCONFIRMED` is in doubt and will be sent again, `UNCONFIRMED_HELD` is in doubt
    and stays so.
    """

    QUEUED = 0
    SENDING = 1
    DEFERRED = 2
    UNCONFIRMED = 3
    SENDING_AGAIN = 4
    DELIVERED = 10
    BOUNCED = 11
    FAILED = 12
    OPTOUT = 13
    CANCELLED = 14
    INVALID = 15
    UNCONFIRMED_HELD = 16


MARKED_STATES = (State.SENDING, State.SENDING_AGAIN)
"""What nodes of the version before make of a row that they are sending."""

FIRST_FINAL = State.DELIVERED
"""States from this number on are final; the SQL compares with it."""

DISPOSITIONS: dict[State, str] = {
    State.QUEUED: "queued",
    State.SENDING: "queued",
    State.DEFERRED: "deferred",
    State.UNCONFIRMED: "unconfirmed",
    State.SENDING_AGAIN: "unconfirmed",
    State.DELIVERED: "delivered",
    State.BOUNCED: "bounced",
    State.FAILED: "failed",
    State.OPTOUT: "optout",
    State.CANCELLED: "cancelled",
    State.INVALID: "invalid",
    State.UNCONFIRMED_HELD: "unconfirmed",
}


def is_final(state: State) -> bool:
    """Whether nothing more will happen to a recipient in this state."""
    return state >= FIRST_FINAL
