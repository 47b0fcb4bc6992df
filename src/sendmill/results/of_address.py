"""The results of one address, over all campaigns of a client.

Deliveries have no index but their primary key: one of addresses would cost every recipient of every campaign more than
the rest of its expansion. So they are gone through, the newest campaign first, in pieces of bounded time; whoever asks
goes on where the last piece ended. 0.2 µs a row: a million in some 0.2 s, 30 ms at a time.
"""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.db import connection

from sendmill.accounts.models import Client
from sendmill.addresses import InvalidAddress, address_key
from sendmill.campaigns.models import Campaign
from sendmill.delivery.chunk_counts import id_range
from sendmill.delivery.models import Chunk
from sendmill.delivery.states import DISPOSITIONS, State
from sendmill.ids import KIND_DELIVERY, numbered

CHUNKS_AT_ONCE = 32
PIECE_SECONDS = 0.03
_CURSOR_CHARACTERS = 40  # of two primary keys there are fewer; Python reads no number of thousands

# Addresses beyond ASCII are compared in Python, as SQL can't tell which of them are the same.
_ROWS = """
SELECT id, email, name, fields, state, attempts, reply_code, reply, relay, start_ms, modified_ms
FROM delivery_delivery
WHERE id BETWEEN %s AND %s AND ({lower} = %s OR {is_beyond_ascii})
ORDER BY id
"""
_ROWS_SQLITE = _ROWS.format(lower="lower(email)", is_beyond_ascii="length(email) <> length(CAST(email AS BLOB))")
_ROWS_POSTGRESQL = _ROWS.format(
    lower='lower(email COLLATE "C")', is_beyond_ascii="char_length(email) <> octet_length(email)"
)


class AddressRow(NamedTuple):
    """A delivery to the address."""

    id: int
    email: str
    name: str
    fields: str
    state: int
    attempts: int
    reply_code: int | None
    reply: str
    relay: str
    start_ms: int
    modified_ms: int

    @property
    def disposition(self) -> str:
        """As the API shows it."""
        return DISPOSITIONS[State(self.state)]


class AddressResult(NamedTuple):
    """A result of the address, and the campaign it is one of."""

    campaign: Campaign
    row: AddressRow

    @property
    def object_id(self) -> str:
        """The result's, as the API has it."""
        return numbered(self.campaign.object_id, KIND_DELIVERY, self.row.id)


class Piece(NamedTuple):
    """What was found in `looked_through` results; `next` is where to go on, "" when that was all."""

    results: list[AddressResult]
    looked_through: int
    next: str


def results_of_address(client: Client, email_key: str, after: str = "", seconds: float = PIECE_SECONDS) -> Piece:
    """A piece of the address's results, the newest campaign first, from where the last piece ended.

    Looks for `seconds`, and then on to the end of what it is reading: a few thousand results more.
    """
    ends = time.monotonic() + seconds
    found: list[AddressResult] = []
    looked_through = 0
    for campaign, chunks in _chunks_behind(client, *_read_cursor(after)):
        rows = [row for run in runs(chunks) for row in rows_of_address(run, email_key)]
        found += [AddressResult(campaign, row) for row in rows]
        looked_through += sum(count for _, count in chunks)
        if time.monotonic() > ends:
            return Piece(found, looked_through, f"{campaign.pk}-{chunks[-1][0]}")
    return Piece(found, looked_through, "")


def runs(chunks: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Chunks (number and rows, in order) as ranges of numbers without a gap: between them are other clients' chunks."""
    first = last = None
    for number, _ in chunks:
        if last is not None and number == last + 1:
            last = number
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = number
    if first is not None and last is not None:
        yield first, last


def rows_of_address(run: tuple[int, int], email_key: str) -> list[AddressRow]:
    """The deliveries to an address in the chunks from one number to another."""
    with connection.cursor() as cursor:
        statement = _ROWS_POSTGRESQL if connection.vendor == "postgresql" else _ROWS_SQLITE
        cursor.execute(statement, [id_range(run[0])[0], id_range(run[1])[1], email_key])
        return [row for row in map(AddressRow._make, cursor.fetchall()) if _is_address(row.email, email_key)]


def _is_address(email: str, email_key: str) -> bool:
    try:
        return address_key(email) == email_key
    except InvalidAddress:
        return False


def _chunks_behind(
    client: Client, campaign_id: int | None, chunk_id: int
) -> Iterator[tuple[Campaign, list[tuple[int, int]]]]:
    """The client's chunks, some of a campaign at a time, in order; a campaign's older chunks come first."""
    campaigns = Campaign.objects.filter(client=client).defer("frozen_body").order_by("-pk")
    if campaign_id is not None:
        campaigns = campaigns.filter(pk__lte=campaign_id)
    for campaign in campaigns.iterator(chunk_size=100):
        after = chunk_id if campaign.pk == campaign_id else 0
        rows: Any = Chunk.objects.filter(campaign=campaign).order_by("pk").values_list("pk", "rows")
        while page := list(rows.filter(pk__gt=after)[:CHUNKS_AT_ONCE]):
            yield campaign, page
            after = page[-1][0]


def _read_cursor(text: str) -> tuple[int | None, int]:
    campaign, _, chunk = text.partition("-")
    if campaign.isdecimal() and chunk.isdecimal() and len(text) < _CURSOR_CHARACTERS:
        return int(campaign), int(chunk)
    return None, 0
