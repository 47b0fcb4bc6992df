"""What became of every recipient, read in pages so that memory is flat and no reader holds up a writer."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from django.db import connection
from django.db.models import Q
from django.utils.dateparse import parse_date

from sendmill.accounts.models import Client
from sendmill.campaigns.models import Campaign, Status
from sendmill.delivery.chunk_counts import id_range
from sendmill.delivery.clock import milliseconds
from sendmill.delivery.models import CHUNK_SHIFT, Chunk
from sendmill.errors import InvalidField, all_of
from sendmill.ids import KIND_DELIVERY, number_of, parse_object_id
from sendmill.results.rows import Heading, results_json

CHUNKS_A_PAGE = 256

_EARLIEST, _LATEST = date(1970, 1, 2), date(2999, 12, 31)

# A chunk is a range of primary keys, so this needs no index but that one. The period is no reason for an index on
# start_ms: it would be written with every recipient, and hardly ever leaves out part of a campaign.
_ROWS_OF_CHUNK = """
    SELECT id, email, name, fields, state, start_ms, modified_ms
    FROM delivery_delivery
    WHERE id BETWEEN %s AND %s AND start_ms BETWEEN %s AND %s
    ORDER BY id
    LIMIT %s
"""


class Period(NamedTuple):
    """The days from `first` to `last`, both included, in UTC. Never in year 1 or 9999, where datetime ends."""

    first: date
    last: date

    @property
    def begins(self) -> datetime:
        """Its first moment."""
        return datetime.combine(self.first, time.min, UTC)

    @property
    def ends(self) -> datetime:
        """Its last moment, to the microsecond."""
        return datetime.combine(self.last, time.max, UTC)


EVER = Period(_EARLIEST, _LATEST)
"""All days that there can be."""


def iterate_results(
    client: Client,
    start_date: str | None,
    end_date: str | None,
    campaign_object_id: str | None = None,
    after: str | None = None,
    limit: int | None = None,
) -> Iterator[bytes]:
    """The client's results in a period, oldest first: JSON objects with commas between them, up to 1,000 in a piece.

    `start_date` and `end_date` are `yyyy-MM-dd`; a result belongs to the day on which it starts, UTC. An unknown or
    malformed `campaign_object_id`, or a period that ends before it starts, has no results. `after` is a result's id
    to begin behind, `limit` (at least 1) how many there are at most.

    Raises InvalidFields for the dates and InvalidField("after"), before it returns.
    """
    period = parse_period(start_date, end_date)
    after_number = 0 if after is None else number_of(after, KIND_DELIVERY)
    if after_number is None:
        raise InvalidField("after", "There is no row with this id.")
    campaign_id = None if campaign_object_id is None else parse_object_id(campaign_object_id)
    if period.first > period.last or (campaign_object_id is not None and campaign_id is None):
        return iter(())
    return _pieces(client, period, campaign_id, after_number, limit)


def parse_period(start_date: str | None, end_date: str | None) -> Period:
    """The period from one day to another. Raises InvalidFields for start_date and end_date."""
    return Period(*all_of(lambda: _day("start_date", start_date), lambda: _day("end_date", end_date)))


def _day(field: str, text: str | None) -> date:
    if text is None or not text.strip():
        raise InvalidField(field, "This field is required.")
    try:
        day = parse_date(text.strip())
    except ValueError:  # the 30th of February
        day = None
    if day is None:
        raise InvalidField(field, "Date has wrong format. Use one of these formats instead: YYYY-MM-DD.")
    return min(max(day, _EARLIEST), _LATEST)


def _pieces(
    client: Client, period: Period, campaign_object_id: str | None, after: int, limit: int | None
) -> Iterator[bytes]:
    begins_ms, ends_ms = milliseconds(period.begins), milliseconds(period.ends)
    for chunk_id, heading in iterate_chunks(client, period, campaign_object_id, after >> CHUNK_SHIFT):
        first, last = id_range(chunk_id)
        wanted = last - first + 1 if limit is None else limit
        with connection.cursor() as cursor:
            cursor.execute(_ROWS_OF_CHUNK, [max(first, after + 1), last, begins_ms, ends_ms, wanted])
            rows = cursor.fetchall()
        if rows:
            yield results_json(heading, rows)
        if limit is not None:
            limit -= len(rows)
            if limit <= 0:
                return


def iterate_chunks(
    client: Client, period: Period, campaign_object_id: str | None, from_chunk: int = 0
) -> Iterator[tuple[int, Heading]]:
    """The client's chunks that can hold results of the period, in the order of their numbers, which is by age."""
    chunks = Chunk.objects.filter(_campaigns_of(client, period, campaign_object_id)).order_by("id")
    while True:
        page = list(chunks.filter(id__gte=from_chunk).values_list("id", "campaign_id")[:CHUNKS_A_PAGE])
        campaigns = Campaign.objects.filter(pk__in={campaign_id for _, campaign_id in page})
        headings = {
            pk: Heading(client.object_id, object_id, name, sender)
            for pk, object_id, name, sender in campaigns.values_list("pk", "object_id", "name", "frozen_sender")
        }
        for chunk_id, campaign_id in page:
            yield chunk_id, headings[campaign_id]
        if len(page) < CHUNKS_A_PAGE:
            return
        from_chunk = page[-1][0] + 1


def _campaigns_of(client: Client, period: Period, campaign_object_id: str | None) -> Q:
    """The client's campaigns that can have results in the period, as a condition on chunks.

    No result starts before its campaign does, nor after the campaign was completed; the day to spare is for machines
    whose clocks differ. So last month's report doesn't read last year's campaigns.
    """
    day = timedelta(days=1)
    condition = Q(rows__gt=0, campaign__client=client, campaign__starts_at__lte=period.ends + day)
    condition &= ~Q(campaign__status=Status.COMPLETED, campaign__modified_on__lt=period.begins - day)
    if campaign_object_id is not None:
        condition &= Q(campaign__object_id=campaign_object_id)
    return condition
