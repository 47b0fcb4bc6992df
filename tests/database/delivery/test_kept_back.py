"""Whoever waits, for a limit or a relay that is down, holds up nobody who doesn't."""

import asyncio
from pathlib import Path

import pytest

from sendmill.campaigns import lifecycle
from sendmill.delivery import limits
from sendmill.delivery.claiming import MOST_HANDS
from sendmill.delivery.clock import moment_of, now_ms
from sendmill.delivery.gates import LimitKey, LimitKind, LimitValues
from sendmill.delivery.relays import parse_relays
from sendmill.delivery.worker import Worker, WorkerSettings
from tests.database.campaigns.making import make_campaign, make_client, make_group, make_sender
from tests.database.delivery.making import expand_fully, fill_group
from tests.unit.delivery.smtp_peer import ScriptedServer, free_port, serving

pytestmark = pytest.mark.django_db(transaction=True)

OTHER = "other@example.com"


def start_campaigns(senders: list[str]) -> None:
    """A campaign to one person by each of them."""
    client = make_client()
    group = make_group(client)
    fill_group(group, ["person@example.com"])
    for sender in senders:
        campaign = make_campaign(
            client, contact_group_object_id=group.object_id, sender_object_id=make_sender(client, sender).object_id
        )
        started = lifecycle.start(campaign.pk, moment_of(now_ms()))
        assert started is not None
        expand_fully(started)


def work_until_a_message_comes(folder: Path, relays_before: str = "", of: str = "") -> None:
    async def scenario() -> None:
        async with asyncio.timeout(20), ScriptedServer(serving(b"PIPELINING")) as server:
            relays = parse_relays(f"{relays_before}smtp://127.0.0.1:{server.port}?tls=none{of}")
            worker = Worker(WorkerSettings(relays, folder, 30.0, (60.0,), "resend"))
            while not server.messages:
                await worker.turn()
                await asyncio.sleep(0.001)
            worker.stop()
            await worker._shut_down()

    asyncio.run(scenario())


def test_many_small_campaigns_that_wait_for_one_relay_do_not_keep_another_from_work(tmp_path: Path) -> None:
    start_campaigns(["from@example.com"] * (MOST_HANDS + 1) + [OTHER])
    down = f"smtp://127.0.0.1:{free_port()}?tls=none,"
    work_until_a_message_comes(tmp_path, down, f"&senders={OTHER.replace('@', '%40')}")


def test_many_senders_at_their_limits_do_not_keep_another_from_work(tmp_path: Path) -> None:
    limited = [f"sender{number}@example.com" for number in range(MOST_HANDS + 1)]
    for sender in limited:
        limits.set_limit(LimitKey(LimitKind.SENDER, sender), LimitValues(rate=0.001))
    start_campaigns([*limited, OTHER])
    work_until_a_message_comes(tmp_path)
