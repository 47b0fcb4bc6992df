"""A pause or a cancel returns when the workers have let go, and not before."""

import threading

import pytest
from django.db import connection

from sendmill.delivery import control, queue
from sendmill.delivery.clock import now_ms
from sendmill.delivery.models import Chunk
from tests.database.campaigns.making import make_client
from tests.database.delivery.making import LEASE_MS, expanded_campaign

pytestmark = pytest.mark.django_db(transaction=True)

OWNER = "aaaaaaaaaaaa:1:1"


@pytest.mark.parametrize("status", ["paused", "cancelled"])
def test_it_waits_for_a_worker_that_has_not_let_go(status: str):
    client = make_client()
    campaign = expanded_campaign(1, client=client)
    claim = queue.claim(OWNER, now_ms(), LEASE_MS)
    assert claim is not None
    acknowledged = threading.Event()

    def stop() -> None:
        control.set_status(client, campaign.object_id.upper(), status)
        acknowledged.set()
        connection.close()

    thread = threading.Thread(target=stop)
    thread.start()
    assert not acknowledged.wait(0.3)
    campaign.refresh_from_db()
    assert campaign.status == status, "the status itself is there at once"
    queue.acknowledge_stop(OWNER, [claim.chunk_id])
    assert acknowledged.wait(control.MOST_SECONDS - 1)
    thread.join()


def test_it_does_not_wait_for_a_worker_that_has_ended_its_lease(monkeypatch: pytest.MonkeyPatch):
    client = make_client()
    campaign = expanded_campaign(1, client=client)
    assert queue.claim(OWNER, now_ms(), LEASE_MS) is not None
    Chunk.objects.update(lease_until_ms=0)
    monkeypatch.setattr(control, "log", None)  # its warning would break: nothing may be waited for
    control.set_status(client, campaign.object_id, "paused")


def test_it_waits_for_a_worker_of_a_machine_whose_clock_is_behind(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(control, "MOST_SECONDS", 0.2)
    client = make_client()
    campaign = expanded_campaign(1, client=client)
    claim = queue.claim(OWNER, now_ms() - 3_600_000, LEASE_MS)
    assert claim is not None
    assert not control._is_let_go(campaign.object_id)


def test_a_worker_that_hangs_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(control, "MOST_SECONDS", 0.1)
    client = make_client()
    campaign = expanded_campaign(1, client=client)
    assert queue.claim(OWNER, now_ms(), LEASE_MS) is not None
    control.set_status(client, campaign.object_id, "paused")
    campaign.refresh_from_db()
    assert campaign.status == "paused"
