"""How the database grows, and what grows with it: a billion results at reduced size.

    .venv/bin/python -m bench.growth [--millions 1 2 4 8]
    .venv/bin/python scripts/with_postgresql.py -- .venv/bin/python -m bench.growth

Campaigns of 100,000 results each, as they stand when they are over, are written until there are so many millions. At
each size: the database's bytes a result; how long a page of 100 results takes at a random place of a random campaign;
progress of a campaign; what `/metrics` asks; an exchange of 200 rows, which is what sending is made of; and how fast
`prune` deletes (one campaign in every size, without its pauses). The yardstick is the smallest size: what is flat has
the same figure at every size.

Before that, the queue itself: the same exchange for 20,000 recipients of one campaign, without mail servers, and what
it wrote: WAL, and bytes of the table before and after a vacuum. SQLite, or what SENDMILL_DATABASE_URL names.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

CAMPAIGN = 100_000
CHUNK = 1_000
SAMPLE = 20_000
BATCH = 200
ROUNDS = 40

_SERIES = {
    "sqlite": "WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < 999) ",
    "postgresql": "WITH s AS (SELECT generate_series(0, 999) AS n) ",
}
_ROWS = """
INSERT INTO delivery_delivery
    (id, email, name, fields, state, attempts, start_ms, modified_ms, next_attempt_ms, reply_code, reply, relay)
SELECT k.id * 1024 + s.n, 'person' || (k.id * 1024 + s.n) || '@example.com', 'Person ' || s.n,
       '{"city":"Köln","plan":"gold","visits":"17"}', 10, 1, 1700000000000, 1700000000100, NULL, 250,
       '2.0.0 Ok: queued as 4F1A2B3C4D', 'mail.example.com:587'
FROM delivery_chunk k CROSS JOIN s WHERE k.campaign_id = %s ORDER BY k.id, s.n
"""


def main() -> None:
    """Set up a database of its own, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=float, nargs="+", default=[1, 2, 4, 8])
    millions = parser.parse_args().millions
    with tempfile.TemporaryDirectory(prefix="sendmill-bench-") as folder:
        os.environ |= {"SENDMILL_DATA": folder, "DJANGO_SETTINGS_MODULE": "sendmill.settings"}
        import django

        django.setup()
        from sendmill import schema

        schema.migrate()
        queue_writes()
        first: dict[str, float] = {}
        for size in millions:
            found = at_size(int(size * 1_000_000))
            first = first or found
            print(f"{size:g} million results", flush=True)
            for what, value in found.items():
                print(
                    f"  {what:32}{value:>12,.2f}{value / first[what] if first[what] else 0:>8.2f} of the first",
                    flush=True,
                )


def queue_writes() -> None:
    """What the database writes for recipients that are expanded, marked and recorded."""
    from django.db import connection
    from tests.database.delivery.making import started_campaign

    from sendmill.delivery import expand, queue
    from sendmill.delivery.clock import now_ms
    from sendmill.delivery.states import State

    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_autocheckpoint=0")
    campaign = started_campaign(f"person{number}@example.com" for number in range(SAMPLE))
    checkpoint()
    begun, wal = time.monotonic(), wal_bytes()
    while expand.expand_step(campaign.pk, now_ms()):
        pass
    expanded, wal_expanded, table = time.monotonic(), wal_bytes(), table_bytes()
    while claim := queue.claim("bench:1:1", now_ms(), 60_000):
        for begin in range(0, len(claim.rows), BATCH):
            rows = claim.rows[begin : begin + BATCH]
            queue.exchange({claim.chunk_id: claim}, [], [], rows, now_ms())
            attempts = [
                queue.Attempt(
                    row.id, State.DELIVERED, 1, now_ms(), None, 250, "2.0.0 Ok: queued as 4F1A2B3C4D", "mx:25"
                )
                for row in rows
            ]
            queue.exchange({claim.chunk_id: claim}, attempts, [], [], now_ms())
        queue.release(claim.chunk_id, claim.fence)
    ended, wal_ended, table_ended = time.monotonic(), wal_bytes(), table_bytes()
    vacuum()
    a_million = 1_000_000 / SAMPLE / 1e6  # of bytes, in MB
    print(f"{SAMPLE:,} recipients, marked and recorded {BATCH} at a time; for a million:")
    print(f"  expansion          {(wal_expanded - wal) * a_million:8,.0f} MB of WAL, {expanded - begun:.1f} s here")
    print(
        f"  marked, recorded   {(wal_ended - wal_expanded) * a_million:8,.0f} MB of WAL, {ended - expanded:.1f} s here"
    )
    print(
        f"  table              {table * a_million:8,.0f} MB expanded, {table_ended * a_million:,.0f} MB sent, "
        f"{table_bytes() * a_million:,.0f} MB after a vacuum"
    )


def at_size(results: int) -> dict[str, float]:
    """Fill up to so many results, and measure there."""
    from sendmill.campaigns.models import Campaign
    from sendmill.delivery.clock import now_ms
    from sendmill.delivery.progress import count_campaign
    from sendmill.delivery.pruning import delete_next
    from sendmill.delivery.queue_state import read_queue_state
    from sendmill.ids import KIND_DELIVERY, numbered
    from sendmill.results.queries import iterate_results

    there = Campaign.objects.filter(name="Bench").count() * CAMPAIGN
    begun = time.monotonic()
    for _ in range((results - there) // CAMPAIGN):
        fill_campaign()
    filled = (results - there) / (time.monotonic() - begun)
    checkpoint()
    vacuum()
    draw = random.Random(results)
    campaigns = list(Campaign.objects.filter(name="Bench").select_related("client"))
    first_chunk = {
        campaign.pk: campaign.chunks.order_by("pk").values_list("pk", flat=True)[0] for campaign in campaigns
    }

    def page() -> None:
        campaign = draw.choice(campaigns)
        number = (first_chunk[campaign.pk] + draw.randrange(CAMPAIGN // CHUNK)) * 1024
        after = numbered(campaign.object_id, KIND_DELIVERY, number)
        found = iterate_results(campaign.client, "2000-01-01", "2100-01-01", campaign.object_id, after, 100)
        assert sum(piece.count(b'"$_id"') for piece in found) == 100

    def metrics() -> None:
        read_queue_state(now_ms())

    exchange = exchanging()
    found = {
        "bytes a result": database_bytes() / results,
        "page of 100 results, ms": median_ms(page),
        "a campaign's progress, ms": median_ms(lambda: count_campaign(draw.choice(campaigns).pk)),
        "queue state for /metrics, ms": median_ms(metrics),
        "exchange of 200 rows, ms": median_ms(exchange),
        "filled, 1,000 rows/s": filled / 1000,
    }
    victim = campaigns[0]
    begun = time.monotonic()
    while delete_next(victim.pk):
        pass
    found["pruned, 1,000 rows/s"] = CAMPAIGN / (time.monotonic() - begun) / 1000
    begun = time.monotonic()
    vacuum()
    found["(auto)vacuum after that, s"] = time.monotonic() - begun
    victim.delete()
    return found


def fill_campaign() -> None:
    """A campaign that is over."""
    from django.db import connection
    from django.utils import timezone
    from tests.database.campaigns.making import make_campaign, make_client

    from sendmill.campaigns.models import Phase, Status
    from sendmill.delivery.models import Chunk

    starts = timezone.now() - timedelta(days=1)
    campaign = make_campaign(make_client(), name="Bench", phase=Phase.CLOSED, status=Status.COMPLETED, starts_at=starts)
    Chunk.objects.bulk_create(
        Chunk(campaign=campaign, rows=CHUNK, due_ms=None, counts='{"10":1000}', counted_fence=0)
        for _ in range(CAMPAIGN // CHUNK)
    )
    with connection.cursor() as cursor:
        cursor.execute(_SERIES[connection.vendor] + _ROWS, [campaign.pk])


def exchanging() -> Callable[[], None]:
    """An exchange that marks 200 rows of a campaign that is being sent, and records the 200 before."""
    from tests.database.delivery.making import expanded_campaign

    from sendmill.delivery import queue
    from sendmill.delivery.clock import now_ms
    from sendmill.delivery.states import State

    expanded_campaign(1_000)
    claim = queue.claim("bench:1:1", now_ms(), 600_000)
    assert claim is not None
    before: list[queue.ClaimedRow] = []

    def exchange() -> None:
        nonlocal before
        rows = random.sample(claim.rows, BATCH)
        attempts = [
            queue.Attempt(row.id, State.DELIVERED, 1, now_ms(), None, 250, "2.0.0 Ok", "mx:25") for row in before
        ]
        queue.exchange({claim.chunk_id: claim}, attempts, [], rows, now_ms())
        before = rows

    return exchange


def median_ms(act: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        act()
        times.append(time.perf_counter() - begun)
    return 1000 * statistics.median(times)


def scalar(statement: str) -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.fetchone()[0])


def _sqlite_file(ending: str = "") -> Path:
    from django.conf import settings

    return Path(str(settings.DATABASES["default"]["NAME"]) + ending)


def _is_sqlite() -> bool:
    from django.db import connection

    return connection.vendor == "sqlite"


def wal_bytes() -> int:
    return (
        _sqlite_file("-wal").stat().st_size if _is_sqlite() else scalar("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
    )


def database_bytes() -> int:
    return _sqlite_file().stat().st_size if _is_sqlite() else scalar("SELECT pg_database_size(current_database())")


def table_bytes() -> int:
    if _is_sqlite():
        return scalar("SELECT sum(pgsize) FROM dbstat WHERE name = 'delivery_delivery'")
    return scalar("SELECT pg_total_relation_size('delivery_delivery')")


def checkpoint() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)" if _is_sqlite() else "CHECKPOINT")


def vacuum() -> None:
    """What autovacuum does by itself; SQLite has none and needs none."""
    from django.db import connection

    if not _is_sqlite():
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE delivery_delivery")


if __name__ == "__main__":
    main()
