"""A chunk that a limit keeps in a worker's hands for hours keeps nobody from their retry."""

import asyncio
from pathlib import Path

import pytest

from sendmill.delivery import claiming, limits, queue, retry
from sendmill.delivery.clock import now_ms
from sendmill.delivery.gates import LimitKey, LimitKind, LimitValues
from sendmill.delivery.models import RetryChunk
from sendmill.delivery.relays import parse_relays
from sendmill.delivery.worker import Worker, WorkerSettings
from tests.database.delivery.making import LEASE_MS, expand_fully, expanded_campaign, started_campaign
from tests.unit.delivery.smtp_peer import ScriptedServer, serving

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_deferred_recipient_does_not_wait_for_those_whose_domain_is_at_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "LONGEST_HELD", 0.3, raising=False)
    limits.set_limit(LimitKey(LimitKind.DOMAIN, "slow.example"), LimitValues(rate=0.001))
    expand_fully(started_campaign(["first@slow.example", "later@example.com", "last@slow.example"]))
    asked: list[bytes] = []

    def busy_at_first(line: bytes) -> bytes | None:
        if line.startswith(b"RCPT TO:<later@"):
            asked.append(line)
            if len(asked) == 1:
                return b"451 4.2.1 busy\r\n"
        return None

    async def scenario() -> None:
        async with asyncio.timeout(10), ScriptedServer(serving(b"PIPELINING", on_command=busy_at_first)) as server:
            relays = parse_relays(f"smtp://127.0.0.1:{server.port}?tls=none&connections=1")
            worker = Worker(WorkerSettings(relays, tmp_path, 30.0, (0.1,), "resend"))
            while not any(content for _, _, content in server.messages):
                await worker.turn()
                await asyncio.sleep(0.001)
            worker.stop()
            await worker._shut_down()

    asyncio.run(scenario())


def test_a_chunk_whose_failed_recipients_are_to_be_sent_again_is_left_to_that_first() -> None:
    expanded_campaign(1)
    claim = queue.claim("aaaaaaaaaaaa:1:1", now_ms(), LEASE_MS)
    assert claim is not None
    RetryChunk.objects.create(chunk_id=claim.chunk_id)
    queue.release(claim.chunk_id, claim.fence)
    assert queue.claim("aaaaaaaaaaaa:1:1", now_ms(), LEASE_MS) is None
    retry.retry_chunk(claim.chunk_id, now_ms())
    assert queue.claim("aaaaaaaaaaaa:1:1", now_ms(), LEASE_MS) is not None
