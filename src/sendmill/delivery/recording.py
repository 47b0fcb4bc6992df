"""Writing what attempts came to, in the caller's transaction, which holds their chunks.

Nearly all attempts of an exchange differ only in their replies: they are accepted, by one relay, and were handed over
together. Those are written by a statement that names what they share once: 2 µs a row on SQLite, where naming
everything with each row takes 5.

An attempt that ends its delivery is kept in the delivery's row alone. Of the others each has a row of its own besides
(`DeliveryAttempt`), for the next attempt overwrites what the delivery's row says.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import orjson
from django.db.backends.utils import CursorWrapper

from sendmill.delivery.statements import statement
from sendmill.delivery.states import State, is_final

# With fewer in common a statement of their own costs more than it saves.
_FEWEST_ALIKE = 8

MOST_KEPT = 20
"""So many of a delivery's attempts that did not end it are kept at least, and never twice as many."""


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
    """Write what attempts came to. Doing it twice changes nothing."""
    others: list[Attempt] = []
    unfinished: list[Attempt] = []
    for alike in _alike(attempts):
        if not is_final(alike[0].state):
            unfinished += alike
        if len(alike) < _FEWEST_ALIKE:
            others += alike
            continue
        _, state, count, attempted_ms, next_attempt_ms, code, _, relay = alike[0]
        replies = {str(attempt.delivery_id): attempt.reply for attempt in alike}
        shared = [state, attempted_ms, count, now, next_attempt_ms, code, relay]
        cursor.execute(statement("record_alike"), [*shared, orjson.dumps(replies).decode()])
    if others:
        cursor.execute(statement("record_attempts"), [now, _as_json(others)])
    if unfinished:
        cursor.execute(statement("keep_attempts"), [now, _as_json(unfinished)])
        _drop_oldest(cursor, [attempt.delivery_id for attempt in unfinished if attempt.attempts > MOST_KEPT])


def keep_failures(cursor: CursorWrapper, first_id: int, last_id: int) -> None:
    """Keep what the failed deliveries with these ids failed with, before they begin anew."""
    cursor.execute(statement("keep_failures"), [first_id, last_id])
    # Here too, for the attempts are counted from 1 again.
    _drop_oldest(cursor, [row[0] for row in cursor.fetchall()])


def _drop_oldest(cursor: CursorWrapper, delivery_ids: Sequence[int]) -> None:
    if delivery_ids:
        cursor.execute(statement("drop_oldest_attempts", ids=delivery_ids), [MOST_KEPT])


def _as_json(attempts: Sequence[Attempt]) -> str:
    return orjson.dumps(list(map(tuple, attempts))).decode()


def _alike(attempts: Sequence[Attempt]) -> Iterable[list[Attempt]]:
    """Attempts that differ in their replies alone, together."""
    groups: dict[tuple[object, ...], list[Attempt]] = {}
    for attempt in attempts:
        _, state, count, attempted_ms, next_attempt_ms, code, _, relay = attempt
        groups.setdefault((state, count, attempted_ms, next_attempt_ms, code, relay), []).append(attempt)
    return groups.values()
