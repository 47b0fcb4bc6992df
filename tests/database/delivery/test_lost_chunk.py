"""A worker whose chunk became another's, and comes back to it."""

import asyncio
import threading
from pathlib import Path

import pytest
from django.db import connection, transaction

from sendmill.delivery.chunk_counts import free_chunk
from sendmill.delivery.models import Chunk, Delivery
from sendmill.delivery.relays import parse_relays
from sendmill.delivery.states import State
from sendmill.delivery.worker import Worker, WorkerSettings
from tests.database.delivery.making import expanded_campaign

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_outcome_on_its_way_to_the_database_keeps_no_row_of_a_chunk_that_was_lost(tmp_path: Path) -> None:
    """It is refused there; the row goes again when the worker has the chunk again, and isn't waited for."""
    expanded_campaign(1)
    [chunk] = Chunk.objects.all()

    async def scenario() -> None:
        worker = Worker(WorkerSettings(parse_relays("outbox:"), tmp_path, 30.0, (60.0,), "resend"))
        async with asyncio.timeout(30):
            assert await worker._claim()
            await worker._send(await worker._exchange(worker._take()))
            while not worker._outcomes:
                await asyncio.sleep(0)
            await asyncio.to_thread(take_away, chunk.pk)
            in_the_way = threading.Event()
            blocking = asyncio.create_task(worker._database.run(in_the_way.wait))
            recording = asyncio.create_task(worker._exchange([]))
            await asyncio.sleep(0)
            worker._lose(chunk.pk)
            in_the_way.set()
            await asyncio.gather(blocking, recording)
            while await asyncio.to_thread(state_now) != State.DELIVERED:
                await worker.turn()
        worker.stop()
        await worker._shut_down()

    asyncio.run(scenario())
    assert Delivery.objects.get().attempts == 1


def take_away(chunk_id: int) -> None:
    """As recovery does: its fencing number moves on, and anybody may claim it."""
    with transaction.atomic(), connection.cursor() as cursor:
        free_chunk(cursor, chunk_id)
    connection.close()


def state_now() -> int:
    state = Delivery.objects.values_list("state", flat=True).get()
    connection.close()
    return state
