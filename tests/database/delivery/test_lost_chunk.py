"""A worker whose chunk became another's, or would have."""

import asyncio
import threading
from pathlib import Path

import pytest
from django.db import connection, transaction

from sendmill.delivery.chunk_counts import free_chunk
from sendmill.delivery.clock import steady_seconds
from sendmill.delivery.journal import read_journal
from sendmill.delivery.models import Chunk, Delivery
from sendmill.delivery.owner import this_process
from sendmill.delivery.relays import parse_relays
from sendmill.delivery.states import State
from sendmill.delivery.transmission import OutcomeKind
from sendmill.delivery.worker import Worker, WorkerSettings
from tests.database.delivery.making import expanded_campaign
from tests.unit.delivery.smtp_peer import ScriptedServer, serving, waiting_for

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


def test_a_chunk_that_a_worker_lost_and_claims_again_is_not_sent_twice_at_once(tmp_path: Path) -> None:
    """It hears of the loss by nothing but the claim: as after an outage of the database, which all may have noticed."""
    expanded_campaign(1)
    [chunk] = Chunk.objects.all()

    async def scenario() -> None:
        gate = asyncio.Event()
        async with asyncio.timeout(10), ScriptedServer(waiting_for(gate)) as server:
            worker = Worker(worker_settings(tmp_path, server, lease_seconds=30.0))
            while not server.messages:
                await worker.turn()
            await asyncio.to_thread(take_away, chunk.pk)
            while not (await asyncio.to_thread(chunk_now)).owner:
                await worker.turn()
            for _ in range(5):
                await worker.turn()
            assert not (await asyncio.to_thread(chunk_now)).being_sent
            gate.set()
            while await asyncio.to_thread(state_now) != State.DELIVERED:
                await worker.turn()
            worker.stop()
            await worker._shut_down()
            assert len(server.messages) == 2  # once before the loss, once after it

    asyncio.run(scenario())
    assert Delivery.objects.get().attempts == 1


def test_a_message_whose_lease_ended_while_its_intent_was_noted_stays_here(tmp_path: Path) -> None:
    """Stopped in between, it would leave when another has read in the journal that it never left."""
    expanded_campaign(1)

    async def scenario() -> None:
        async with asyncio.timeout(30), ScriptedServer(serving(b"PIPELINING")) as server:
            worker = Worker(worker_settings(tmp_path, server, lease_seconds=30.0))
            intend = worker._journal.intend

            def intend_late(delivery_id: int, fence: int) -> None:
                [hand] = worker._hands.all()
                hand.deadline = steady_seconds() - 1
                intend(delivery_id, fence)

            worker._journal.intend = intend_late  # type: ignore[method-assign]
            while not server.connections:
                await worker.turn()
            while server.open and not server.messages:
                await asyncio.sleep(0.01)
            assert not server.messages
            [word] = read_journal(tmp_path / "journals", this_process(tmp_path)).values()
            assert word is not None
            assert word.kind is OutcomeKind.NOT_SENT
            worker.stop()
            await worker._shut_down()

    asyncio.run(scenario())


def test_a_worker_that_is_ending_keeps_its_leases_until_its_last_message_is_answered(tmp_path: Path) -> None:
    expanded_campaign(1)

    async def scenario() -> None:
        gate = asyncio.Event()
        async with asyncio.timeout(10), ScriptedServer(waiting_for(gate)) as server:
            worker = Worker(worker_settings(tmp_path, server, lease_seconds=0.3))
            working = asyncio.create_task(worker.run())
            while not server.messages:
                await asyncio.sleep(0.01)
            worker.stop()
            leases = set()
            while len(leases) < 4:
                leases.add((await asyncio.to_thread(chunk_now)).lease_until_ms)
                await asyncio.sleep(0.01)
            gate.set()
            await working

    asyncio.run(scenario())
    assert Delivery.objects.get().state == State.DELIVERED


def worker_settings(folder: Path, server: ScriptedServer, lease_seconds: float) -> WorkerSettings:
    relays = parse_relays(f"smtp://127.0.0.1:{server.port}?tls=none&connections=1")
    return WorkerSettings(relays, folder, lease_seconds, (60.0,), "resend")


def take_away(chunk_id: int) -> None:
    """As recovery does: its fencing number moves on, and anybody may claim it."""
    with transaction.atomic(), connection.cursor() as cursor:
        free_chunk(cursor, chunk_id)
    connection.close()


def chunk_now() -> Chunk:
    chunk = Chunk.objects.get()
    connection.close()
    return chunk


def state_now() -> int:
    state = Delivery.objects.values_list("state", flat=True).get()
    connection.close()
    return state
