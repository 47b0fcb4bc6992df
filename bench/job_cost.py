"""The part of `bench.nodes jobs` that runs with Django on a migrated database: python -m bench.job_cost COUNT."""

import asyncio
import os
import sys
import time

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "sendmill.settings"
django.setup()

import procrastinate  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402
from procrastinate.contrib.django.utils import connector_params  # noqa: E402

from sendmill.accounts.models import Client  # noqa: E402
from sendmill.campaigns.models import Campaign, Phase  # noqa: E402
from sendmill.delivery import queue  # noqa: E402
from sendmill.delivery.chunk_counts import id_range  # noqa: E402
from sendmill.delivery.clock import now_ms  # noqa: E402
from sendmill.delivery.models import CHUNK_ROWS, Chunk, Delivery  # noqa: E402
from sendmill.delivery.states import State  # noqa: E402


def main() -> None:
    """Print the time of a job and that of a claim."""
    count = int(sys.argv[1])
    print(f"a job, deferred, fetched and finished: {1e6 * asyncio.run(jobs(count)) / count:,.0f} µs")
    print(f"a claim of a chunk of 1,000, given back: {1e6 * claims(count) / count:,.0f} µs")


async def jobs(count: int) -> float:
    """Seconds for so many jobs that do nothing, by a worker that takes one at a time."""
    application = procrastinate.App(connector=procrastinate.PsycopgConnector(kwargs=connector_params()))

    @application.task(name="nothing")
    async def nothing() -> None:
        pass

    async with application.open_async():
        began = time.monotonic()
        for _ in range(count):
            await nothing.defer_async()
        await application.run_worker_async(wait=False, delete_jobs="always", install_signal_handlers=False)
        return time.monotonic() - began


def claims(count: int) -> float:
    """Seconds for so many claims of a chunk."""
    now = timezone.now()
    client = Client.objects.create(name="Bench")
    campaign = Campaign.objects.create(
        client=client,
        name="Bench",
        phase=Phase.SENDING,
        frozen_sender="from@bench.example",
        starts_at=now,
        expires_at=now,
        created_on=now,
        modified_on=now,
    )
    chunk = Chunk.objects.create(campaign=campaign, rows=CHUNK_ROWS, due_ms=0)
    first, last = id_range(chunk.pk)
    Delivery.objects.bulk_create(
        Delivery(
            id=number, email=f"person{number}@bench.example", name="", fields="{}", state=State.QUEUED, start_ms=0,
            modified_ms=0,
        )
        for number in range(first, last + 1)
    )  # fmt: skip
    began = time.monotonic()
    for _ in range(count):
        claim = queue.claim("bench:1:1", now_ms(), 30_000)
        assert claim is not None
        queue.release(claim.chunk_id, claim.fence)
    seconds = time.monotonic() - began
    connection.close()
    return seconds


if __name__ == "__main__":
    main()
