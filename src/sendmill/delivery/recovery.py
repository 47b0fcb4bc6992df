"""Recovery: what becomes of the chunks of a worker that died, hung or was cut off.

A chunk is recovered when its lease has ended (`leases`), or at once when its owner was a process of this machine that
is dead. Of its rows that were marked as being sent:

- with an answer in the owner's journal: recorded as if the worker had done it;
- with an intent and no answer: in doubt, and the policy says what happens (`resend` or `hold`);
- not in the journal: their messages never left, they are queued again and are not in doubt.

The journal of another machine can't be read here: then every marked row is in doubt.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from django.db import connection, transaction

from sendmill.campaigns.models import Campaign
from sendmill.delivery import policy
from sendmill.delivery.chunk_counts import free_chunk, id_range
from sendmill.delivery.clock import milliseconds
from sendmill.delivery.journal import delete_journal, journal_owners, read_journal
from sendmill.delivery.leases import Lease, LeaseWatch
from sendmill.delivery.marks import marked_ids
from sendmill.delivery.owner import Owner
from sendmill.delivery.recording import Attempt, record_attempts
from sendmill.delivery.statements import statement
from sendmill.delivery.states import State
from sendmill.delivery.transmission import Outcome, OutcomeKind


@dataclass(frozen=True, slots=True)
class Recovered:
    """What the recovery of one chunk found."""

    chunk_id: int
    owner: str
    answered: int
    in_doubt: int
    returned: int


@dataclass(frozen=True, slots=True)
class Recoverer:
    """Recovers chunks for the machine whose data folder holds `journals`."""

    node: str
    journals: Path
    retry_seconds: Sequence[float]
    in_doubt: Literal["resend", "hold"]
    watch: LeaseWatch

    def recover(self, now: int) -> list[Recovered]:
        """Recover every chunk that needs it; those another node is recovering just now are left to it."""
        recovered = []
        for lease, is_dead in self._abandoned():
            found = self._recover_chunk(lease, is_dead, now)
            if found is not None:
                recovered.append(found)
        return recovered

    def delete_settled_journals(self) -> None:
        """Delete the journals of this machine's dead owners that hold no chunk any more."""
        # First who is dead: what one of them held just before its death is seen then.
        dead = [owner for owner in journal_owners(self.journals) if not owner.is_alive()]
        with connection.cursor() as cursor:
            cursor.execute("SELECT DISTINCT owner FROM delivery_chunk WHERE owner <> ''")
            holding = {row[0] for row in cursor.fetchall()}
        for owner in dead:
            if str(owner) not in holding:
                delete_journal(self.journals, owner)

    def _abandoned(self) -> list[tuple[Lease, bool]]:
        """The leases to recover, and whether their owner is known to be dead."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT id, owner, fence, lease_until_ms FROM delivery_chunk WHERE owner <> '' ORDER BY id")
            held = list(map(Lease._make, cursor.fetchall()))
        dead = {owner: self._is_dead(owner) for owner in {lease.owner for lease in held}}
        ended = self.watch.ended(held)
        return [(lease, dead[lease.owner]) for lease in held if lease in ended or dead[lease.owner]]

    def _is_dead(self, owner_text: str) -> bool:
        owner = Owner.parse(owner_text)
        return owner.node == self.node and not owner.is_alive()

    def _recover_chunk(self, lease: Lease, is_dead: bool, now: int) -> Recovered | None:
        chunk_id, owner_text, fence, until_ms = lease
        owner = Owner.parse(owner_text)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement("lock_abandoned_chunk"), [chunk_id, owner_text, fence])
            locked = cursor.fetchone()
            if locked is None or (locked[0] != until_ms and not is_dead):
                return None
            _, campaign_id, marks = locked
            expires = milliseconds(Campaign.objects.values_list("expires_at", flat=True).get(pk=campaign_id))
            # Read under the lock: from here on the owner's writes are refused, and an owner that only slept sends
            # nothing more (it looks at its lease before every message's last bytes).
            journal = read_journal(self.journals, owner) if owner.node == self.node else None
            marked = statement("marked_rows", ids=marked_ids(chunk_id, marks, fence) or [0])
            cursor.execute(marked, id_range(chunk_id))
            settled = [
                self._attempt(number, attempts, _last_word(journal, number, fence), expires, now)
                for number, attempts in cursor.fetchall()
            ]
            attempts = [attempt for attempt in settled if isinstance(attempt, Attempt)]
            unsent = [number for number in settled if isinstance(number, int)]
            record_attempts(cursor, attempts, now)
            if unsent:
                cursor.execute(statement("return_unsent", ids=unsent))
            free_chunk(cursor, chunk_id)
        in_doubt = sum(attempt.state in (State.UNCONFIRMED, State.UNCONFIRMED_HELD) for attempt in attempts)
        return Recovered(chunk_id, owner_text, len(attempts) - in_doubt, in_doubt, len(unsent))

    def _attempt(self, number: int, attempts: int, word: Outcome | None, expires: int, now: int) -> Attempt | int:
        """What to record for a marked row, or its number if its message never left."""
        if word is None or word.kind is OutcomeKind.NOT_SENT:
            return number
        decision = policy.decide(
            word.kind,
            attempts=attempts + 1,
            now_ms=now,
            expires_ms=expires,
            retry_seconds=self.retry_seconds,
            in_doubt=self.in_doubt,
            random=random.random,
        )
        return Attempt(
            number, decision.state, attempts + 1, now, decision.next_attempt_ms, word.code, word.reply, word.relay
        )


def _last_word(journal: dict[tuple[int, int], Outcome | None] | None, number: int, fence: int) -> Outcome | None:
    """The outcome of a marked row: as answered, in doubt, or None when its message never left."""
    if journal is not None:
        if (number, fence) not in journal:
            return None
        answered = journal[number, fence]
        if answered is not None:
            return answered
    return Outcome(
        delivery_id=number,
        kind=OutcomeKind.IN_DOUBT,
        code=None,
        reply="the sending process ended before the reply was known",
        relay="",
    )
