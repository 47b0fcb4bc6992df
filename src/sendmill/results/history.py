"""What happened to one recipient, attempt by attempt: those that did not end it, and the last word of all."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sendmill.delivery.models import DeliveryAttempt
from sendmill.delivery.recording import MOST_KEPT
from sendmill.delivery.states import DISPOSITIONS, State
from sendmill.results.rows import time_text

_SAY_NOTHING_NEW = (State.QUEUED, State.OPTOUT, State.CANCELLED)
"""What becomes of a delivery without an attempt: its row still has the last attempt's words."""


class Word(NamedTuple):
    """What an attempt came to. `attempts` is the delivery's when it was made, this one counted."""

    state: State
    attempts: int
    recorded_ms: int
    reply_code: int | None
    reply: str
    relay: str

    @property
    def disposition(self) -> str:
        """As the API calls it."""
        return DISPOSITIONS[self.state]


def kept_words(first_id: int, last_id: int) -> dict[int, list[Word]]:
    """The attempts that did not end the deliveries with these ids: of each that has any the last, oldest first."""
    rows = DeliveryAttempt.objects.filter(delivery__gte=first_id, delivery__lte=last_id).order_by("delivery_id", "pk")
    found: dict[int, list[Word]] = {}
    for number, state, *others in rows.values_list("delivery_id", "state", *Word._fields[1:]):
        found.setdefault(number, []).append(Word(State(state), *others))
    return {number: words[-MOST_KEPT:] for number, words in found.items()}


def history(kept: Sequence[Word], own: Word) -> list[Word]:
    """All of them in order. `own` is what the delivery's own row says now. Pure."""
    return list(kept) if _is_told(kept, own) else [*kept, own]


def history_of(number: int, own: Word) -> list[Word]:
    """All that is kept of what happened to one delivery, oldest first; `own` as for `history`."""
    return history(kept_words(number, number).get(number, []), own)


def _is_told(kept: Sequence[Word], own: Word) -> bool:
    """Whether the row says nothing that isn't kept: it has no words, or still those of the last attempt kept."""
    if not kept or own.state in (State.FAILED, State.INVALID):
        return not (own.reply or own.reply_code)
    if own.state in _SAY_NOTHING_NEW:
        return True
    return (own.attempts, own.reply_code, own.reply) == (kept[-1].attempts, kept[-1].reply_code, kept[-1].reply)


def word_json(word: Word) -> dict[str, Any]:
    """As it is told outside."""
    return {
        "disposition": word.disposition,
        "recorded_on": time_text(word.recorded_ms),
        "reply_code": word.reply_code,
        "reply": word.reply,
        "relay": word.relay,
    }
