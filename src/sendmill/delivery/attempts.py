"""What is recorded of an outcome. Pure."""

from collections.abc import Callable

from sendmill.delivery.hands import Outstanding
from sendmill.delivery.policy import DELIVERED, Decision
from sendmill.delivery.recording import Attempt
from sendmill.delivery.render import Unsendable
from sendmill.delivery.transmission import Outcome, OutcomeKind

Decide = Callable[[OutcomeKind, int, int], Decision]
"""What an outcome means: its kind, the attempts with this one, the campaign's expiry in ms → the decision."""


def attempt_of(outcome: Outcome, held: Outstanding, decide: Decide) -> Attempt:
    """The attempt that this outcome was."""
    attempts = held.row.attempts + 1
    state, next_attempt_ms = DELIVERED
    if outcome.kind is not OutcomeKind.ACCEPTED:
        state, next_attempt_ms = decide(outcome.kind, attempts, held.hand.claim.expires_ms)
    return Attempt(
        outcome.delivery_id,
        state,
        attempts,
        held.since_ms,
        next_attempt_ms,
        outcome.code,
        outcome.reply,
        outcome.relay,
    )


def attempt_of_unsendable(problem: Unsendable, held: Outstanding) -> Attempt:
    """No attempt was made: the recipient's message can't be sent at all."""
    return Attempt(
        delivery_id=problem.delivery_id,
        state=problem.state,
        attempts=held.row.attempts,
        attempted_ms=held.since_ms,
        next_attempt_ms=None,
        reply_code=None,
        reply=problem.reason,
        relay="",
    )
