"""Looking for recipients among a campaign's results, in pages, without an index but the primary key.

A campaign's rows are ranges of that (`delivery.models`). A search reads them in order from where the last page ended,
until the page is full or its time is up; then the next page goes on there. So each page is quick whatever is
looked for, and one that finds little says how far it has looked. Chunks whose counts say that they hold nothing of the
wanted disposition aren't read.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from sendmill.accounts.models import Client
from sendmill.campaigns.models import Campaign
from sendmill.delivery.chunk_counts import id_range, read_stored
from sendmill.delivery.clock import moment_of
from sendmill.delivery.models import CHUNK_SHIFT, Chunk
from sendmill.delivery.states import DISPOSITIONS, State, is_final
from sendmill.errors import NotFound
from sendmill.ids import KIND_DELIVERY, number_of, numbered
from sendmill.results.history import Word, history_of

PAGE_ROWS = 50
SEARCH_SECONDS = 0.04
_CHUNKS_AT_ONCE = 8
_CHUNKS_A_READ = 256

_COLUMNS = "id, email, name, fields, state, attempts, reply_code, reply, relay, start_ms, modified_ms, next_attempt_ms"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which results. `text` is a part of the address or name, `disposition` one of the API's or "", `reply` a code
    (550, 5 for all that begin so) or a part of what the mail server said."""

    text: str = ""
    disposition: str = ""
    reply: str = ""

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return not (self.text or self.disposition or self.reply)


class Result(NamedTuple):
    """One recipient's result."""

    object_id: str
    email: str
    name: str
    fields: str
    state: State
    attempts: int
    reply_code: int | None
    reply: str
    relay: str
    started_on: datetime | None
    modified_on: datetime | None
    next_attempt_on: datetime | None

    @property
    def disposition(self) -> str:
        """As the API calls it."""
        return DISPOSITIONS[self.state]

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens to it."""
        return is_final(self.state)

    @property
    def was_tried(self) -> bool:
        """Whether a mail server was asked."""
        return self.attempts > 0


class Found(NamedTuple):
    """A page of results. `next_after` is the id to go on behind, "" at the end. `is_cut_short`: time was up before the
    page was full; `searched` is then how many recipients have been looked at since the beginning."""

    results: list[Result]
    next_after: str
    is_cut_short: bool
    searched: int


def search_results(campaign: Campaign, wanted: Wanted, after: str = "") -> Found:
    """The next page behind the result with the id `after`, in the order of sending."""
    begin = number_of(after, KIND_DELIVERY) or 0
    condition, values = _condition(wanted)
    ends = time.monotonic() + SEARCH_SECONDS
    rows: list[tuple[Any, ...]] = []
    ranges = _ranges(campaign, wanted, begin)
    following = next(ranges, None)
    while following is not None:
        first, last = following
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {_COLUMNS} FROM delivery_delivery WHERE id BETWEEN %s AND %s{condition}"  # noqa: S608 - ours
                " ORDER BY id LIMIT %s",
                [max(first, begin + 1), last, *values, PAGE_ROWS + 1 - len(rows)],
            )
            rows += cursor.fetchall()
        if len(rows) > PAGE_ROWS:
            page = [_result(campaign, row) for row in rows[:PAGE_ROWS]]
            return Found(page, page[-1].object_id, False, 0)
        following = next(ranges, None)
        if following is not None and time.monotonic() > ends:
            at = numbered(campaign.object_id, KIND_DELIVERY, last)
            found = [_result(campaign, row) for row in rows]
            return Found(found, at, True, _rows_up_to(campaign, last >> CHUNK_SHIFT))
    return Found([_result(campaign, row) for row in rows], "", False, 0)


def find_result(client: Client, object_id: str) -> tuple[Campaign, Result]:
    """The client's result with this id, and its campaign. Raises NotFound."""
    campaign, row = _find_row(client, object_id)
    return campaign, _result(campaign, row)


def find_history(client: Client, object_id: str) -> list[Word]:
    """What happened to the recipient of the client's result with this id, oldest first. Raises NotFound."""
    number, _, _, _, state, attempts, reply_code, reply, relay, _, modified_ms, _ = _find_row(client, object_id)[1]
    return history_of(number, Word(State(state), attempts, modified_ms, reply_code, reply, relay))


def _find_row(client: Client, object_id: str) -> tuple[Campaign, tuple[Any, ...]]:
    number = number_of(object_id, KIND_DELIVERY)
    campaign = None
    if number is not None and number < 1 << 63:
        campaign = Campaign.objects.filter(client=client, chunks=number >> CHUNK_SHIFT).first()
    if number is None or campaign is None or object_id != numbered(campaign.object_id, KIND_DELIVERY, number):
        raise NotFound("There is no such result.")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_COLUMNS} FROM delivery_delivery WHERE id = %s", [number])  # noqa: S608 - ours
        row = cursor.fetchone()
    if row is None:
        raise NotFound("There is no such result.")
    return campaign, row


def _ranges(campaign: Campaign, wanted: Wanted, after: int) -> Iterator[tuple[int, int]]:
    """The ranges of ids to read, up to `_CHUNKS_AT_ONCE` chunks in each."""
    states = {state for state, disposition in DISPOSITIONS.items() if disposition == wanted.disposition}
    chunk_id = after >> CHUNK_SHIFT
    if after >= id_range(chunk_id)[1]:
        chunk_id += 1
    chunks = Chunk.objects.filter(campaign=campaign).order_by("pk")
    while True:
        page = list(
            chunks.filter(pk__gte=chunk_id).values_list("pk", "counts", "counted_fence", "fence")[:_CHUNKS_A_READ]
        )
        run: list[int] = []
        for number, counts, counted_fence, fence in page:
            if states and counted_fence == fence and states.isdisjoint(read_stored(counts)):
                continue
            if run and (number != run[-1] + 1 or len(run) == _CHUNKS_AT_ONCE):
                yield id_range(run[0])[0], id_range(run[-1])[1]
                run = []
            run.append(number)
        if run:
            yield id_range(run[0])[0], id_range(run[-1])[1]
        if len(page) < _CHUNKS_A_READ:
            return
        chunk_id = page[-1][0] + 1


def _condition(wanted: Wanted) -> tuple[str, list[str | int]]:
    like = "ILIKE" if connection.vendor == "postgresql" else "LIKE"  # SQLite's LIKE makes no difference for ASCII
    parts: list[str] = []
    values: list[str | int] = []
    if wanted.text:
        parts.append(f"(email {like} %s ESCAPE '\\' OR name {like} %s ESCAPE '\\')")
        values += [_containing(wanted.text)] * 2
    if wanted.disposition:
        states = [int(state) for state, disposition in DISPOSITIONS.items() if disposition == wanted.disposition]
        parts.append(f"state IN ({', '.join(map(str, states)) or -1})")
    if wanted.reply:
        if wanted.reply.isascii() and wanted.reply.isdigit() and len(wanted.reply) <= 3:
            factor = 10 ** (3 - len(wanted.reply))
            parts.append("reply_code BETWEEN %s AND %s")
            values += [int(wanted.reply) * factor, int(wanted.reply) * factor + factor - 1]
        else:
            parts.append(f"reply {like} %s ESCAPE '\\'")
            values.append(_containing(wanted.reply))
    return "".join(f" AND {part}" for part in parts), values


def _containing(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("\0", "")
    return f"%{escaped}%"


def _rows_up_to(campaign: Campaign, chunk_id: int) -> int:
    rows = Chunk.objects.filter(campaign=campaign, pk__lte=chunk_id).values_list("rows", flat=True)
    return sum(rows)


def _result(campaign: Campaign, row: tuple[Any, ...]) -> Result:
    number, email, name, fields, state, attempts, code, reply, relay, *times = row
    moments = [moment_of(ms) if ms else None for ms in times]
    object_id = numbered(campaign.object_id, KIND_DELIVERY, number)
    return Result(object_id, email, name, fields, State(state), attempts, code, reply, relay, *moments)
