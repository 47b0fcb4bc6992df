"""Writing what attempts came to, in the caller's transaction, which holds their chunks.

Nearly all attempts of an exchange differ only in their replies: they are accepted, by one relay, and were handed over
together. Those are written by a statement that names what they share once: 2 µs a row on SQLite, where naming
everything with each row takes 5.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import orjson
from django.db.backends.utils import CursorWrapper

from sendmill.delivery.statements import statement
from sendmill.delivery.states import State

# With fewer in common a statement of their own costs more than it saves.
_FEWEST_ALIKE = 8


class Attempt(NamedTuple):
    """What an attempt came to, as it is recorded. `attempts` counts this one too; times are in ms.

    The order of the fields is that of sql/record_attempts.sql.
    """

    delivery_id: int
    state: State
    attempts: int
    attempted_ms: int
    next_attempt_ms: int | None
    reply_code: int | None
    reply: str
    relay: str


def record_attempts(cursor: CursorWrapper, attempts: Sequence[Attempt], now: int) -> None:
    """Write what attempts came to."""
    others: list[Attempt] = []
    for alike in _alike(attempts):
        if len(alike) < _FEWEST_ALIKE:
            others += alike
            continue
        _, state, count, attempted_ms, next_attempt_ms, code, _, relay = alike[0]
        replies = {str(attempt.delivery_id): attempt.reply for attempt in alike}
        shared = [state, attempted_ms, count, now, next_attempt_ms, code, relay]
        cursor.execute(statement("record_alike"), [*shared, orjson.dumps(replies).decode()])
    if others:
        cursor.execute(statement("record_attempts"), [now, orjson.dumps(list(map(tuple, others))).decode()])


def _alike(attempts: Sequence[Attempt]) -> Iterable[list[Attempt]]:
    """Attempts that differ in their replies alone, together."""
    groups: dict[tuple[object, ...], list[Attempt]] = {}
    for attempt in attempts:
        _, state, count, attempted_ms, next_attempt_ms, code, _, relay = attempt
        groups.setdefault((state, count, attempted_ms, next_attempt_ms, code, relay), []).append(attempt)
    return groups.values()
