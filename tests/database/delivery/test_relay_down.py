"""A relay that is down holds up nobody whose mail goes another way."""

import asyncio
from pathlib import Path

import pytest

from sendmill.campaigns import lifecycle
from sendmill.delivery.claiming import MOST_HANDS
from sendmill.delivery.clock import moment_of, now_ms
from sendmill.delivery.relays import parse_relays
from sendmill.delivery.worker import Worker, WorkerSettings
from tests.database.campaigns.making import make_campaign, make_client, make_group, make_sender
from tests.database.delivery.making import expand_fully, fill_group
from tests.unit.delivery.smtp_peer import ScriptedServer, free_port, serving

pytestmark = pytest.mark.django_db(transaction=True)


def test_many_small_campaigns_that_wait_for_one_relay_do_not_keep_another_from_work(tmp_path: Path) -> None:
    client = make_client()
    group = make_group(client)
    fill_group(group, ["person@example.com"])
    for sender in ["from@example.com"] * (MOST_HANDS + 1) + ["other@example.com"]:
        campaign = make_campaign(
            client, contact_group_object_id=group.object_id, sender_object_id=make_sender(client, sender).object_id
        )
        started = lifecycle.start(campaign.pk, moment_of(now_ms()))
        assert started is not None
        expand_fully(started)

    async def scenario() -> None:
        async with asyncio.timeout(20), ScriptedServer(serving(b"PIPELINING")) as server:
            down = f"smtp://127.0.0.1:{free_port()}?tls=none"
            up = f"smtp://127.0.0.1:{server.port}?tls=none&senders=other%40example.com"
            worker = Worker(WorkerSettings(parse_relays(f"{down},{up}"), tmp_path, 30.0, (60.0,), "resend"))
            while not server.messages:
                await worker.turn()
                await asyncio.sleep(0.001)
            worker.stop()
            await worker._shut_down()

    asyncio.run(scenario())
