"""Many nodes and users at once: a campaign starts once, a pause waits for workers, nobody deadlocks."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from sendmill.accounts.models import Client, ClientResource
from sendmill.campaigns import creation, lifecycle
from sendmill.campaigns.lifecycle import Part
from sendmill.campaigns.models import Campaign, Phase, Status
from sendmill.contacts.models import ContactGroup, ContactSet
from sendmill.delivery.models import Chunk
from sendmill.errors import Conflict, InvalidFields, SendmillError
from tests.database.campaigns.making import make_campaign, make_client, make_group, make_message, make_sender

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT_SECONDS = 30.0
ONLY_POSTGRESQL = pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="SQLite has one writer at a time: there are no row locks"
)


@pytest.fixture
def client() -> Client:
    return make_client()


def _on_its_own_connection(call: Callable[[], Any]) -> Any:
    try:
        return call()
    finally:
        connection.close()


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What the calls return or, of this product's errors, raise; they begin together, each on its own connection."""
    ready = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            ready.wait(LIMIT_SECONDS)
            return call()
        except SendmillError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(_on_its_own_connection, partial(run, call)) for call in calls]
        return [future.result(LIMIT_SECONDS) for future in futures]


def test_of_many_nodes_one_starts_a_campaign_and_one_ends_it(client: Client) -> None:
    campaign = make_campaign(client)
    now = timezone.now()
    started = at_once(*[lambda: lifecycle.start(campaign.pk, now)] * 6)
    assert len([found for found in started if found is not None]) == 1
    assert ContactSet.objects.get().pins == 1
    assert at_once(*[lambda: lifecycle.finish_expansion(campaign.pk)] * 6).count(True) == 1
    assert ContactSet.objects.get().pins == 0
    assert at_once(*[lambda: lifecycle.close(campaign.pk)] * 6).count(True) == 1


def test_a_cancel_and_a_start_at_once_leave_no_half_started_campaign(client: Client) -> None:
    for _ in range(10):
        campaign = make_campaign(client)
        at_once(
            lambda campaign=campaign: lifecycle.start(campaign.pk, timezone.now()),
            lambda campaign=campaign: lifecycle.set_status(client, campaign.object_id, "cancelled"),
        )
        campaign.refresh_from_db()
        assert campaign.status == Status.CANCELLED
        if campaign.phase == Phase.CLOSED:
            assert (campaign.frozen_subject, campaign.contact_set_id) == ("", None)
        else:
            assert campaign.phase == Phase.EXPANDING
            assert campaign.frozen_subject
            assert campaign.contact_set_id is not None


def test_users_imports_and_nodes_at_once_do_not_deadlock(client: Client) -> None:
    """The order of locks in lifecycle's docstring, from every side at once. A deadlock would be an error."""

    def delete(part: Part, object_id: str) -> None:
        with transaction.atomic():
            lifecycle.ensure_unused(client, part, object_id)

    def replace_contacts(group_id: int) -> None:
        with transaction.atomic():
            group = ContactGroup.objects.select_for_update(no_key=True).get(pk=group_id)
            ContactSet.objects.filter(pk=group.contact_set_id).update(retired_on=timezone.now())
            group.contact_set = ContactSet.objects.create()
            group.save()

    sender, message, group = make_sender(client), make_message(client), make_group(client)
    parts = {
        "sender_object_id": sender.object_id,
        "message_object_id": message.object_id,
        "contact_group_object_id": group.object_id,
    }
    for _ in range(10):
        first, second = make_campaign(client, **parts), make_campaign(client, **parts)
        outcomes = at_once(
            lambda first=first: lifecycle.start(first.pk, timezone.now()),
            lambda second=second: lifecycle.start(second.pk, timezone.now()),
            lambda first=first: lifecycle.set_status(client, first.object_id, "paused"),
            lambda: delete(Part.CONTACT_GROUP, group.object_id),
            lambda: delete(Part.SENDER, sender.object_id),
            lambda: replace_contacts(group.pk),
        )
        assert all(isinstance(outcome, Conflict) for outcome in outcomes[3:5])
        for campaign in (first, second):
            lifecycle.set_status(client, campaign.object_id, "active")
            lifecycle.start(campaign.pk, timezone.now())
        pinned = [lifecycle.finish_expansion(campaign.pk) for campaign in (first, second)]
        assert pinned == [True, True]
        assert not ContactSet.objects.exclude(pins=0).exists()


def _hold(taken: threading.Event, let_go: threading.Event, take: Callable[[], Any]) -> None:
    """Takes something in a transaction of its own, which stays open until `let_go`."""

    @transaction.atomic
    def hold() -> None:
        take()
        taken.set()
        assert let_go.wait(LIMIT_SECONDS)

    _on_its_own_connection(hold)


def _execute(sql: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


@ONLY_POSTGRESQL
def test_a_pause_is_acknowledged_after_the_worker_that_is_marking_and_not_before(client: Client) -> None:
    campaign = make_campaign(client, phase=Phase.SENDING)
    taken, let_go, paused = threading.Event(), threading.Event(), threading.Event()

    def pause() -> None:
        lifecycle.set_status(client, campaign.object_id, "paused")
        paused.set()

    with ThreadPoolExecutor(2) as pool:
        worker = pool.submit(_hold, taken, let_go, lambda: lifecycle.hold_status([campaign.pk]))
        assert taken.wait(LIMIT_SECONDS)
        user = pool.submit(_on_its_own_connection, pause)
        while _waiting_for_locks() < 1:
            assert not user.done()
        assert not paused.is_set()
        let_go.set()
        worker.result(LIMIT_SECONDS)
        user.result(LIMIT_SECONDS)
    assert paused.is_set()


@ONLY_POSTGRESQL
def test_a_pause_is_not_overtaken_by_other_workers(client: Client) -> None:
    """One worker marks, a pause waits for it, and the next worker waits for the pause: it finds the campaign paused."""
    campaign = make_campaign(client, phase=Phase.SENDING)
    taken, let_go = threading.Event(), threading.Event()

    def pause() -> None:
        lifecycle.set_status(client, campaign.object_id, "paused")

    @transaction.atomic
    def status_for_the_next_worker() -> str:
        lifecycle.hold_status([campaign.pk])
        return Campaign.objects.get(pk=campaign.pk).status

    with ThreadPoolExecutor(3) as pool:
        first_worker = pool.submit(_hold, taken, let_go, lambda: lifecycle.hold_status([campaign.pk]))
        assert taken.wait(LIMIT_SECONDS)
        user = pool.submit(_on_its_own_connection, pause)
        while _waiting_for_locks() < 1:
            assert not user.done()
        next_worker = pool.submit(_on_its_own_connection, status_for_the_next_worker)
        while _waiting_for_locks() < 2:
            assert not next_worker.done()
        let_go.set()
        first_worker.result(LIMIT_SECONDS)
        assert next_worker.result(LIMIT_SECONDS) == Status.PAUSED


@ONLY_POSTGRESQL
def test_workers_of_several_campaigns_do_not_wait_for_each_other(client: Client) -> None:
    campaigns = [make_campaign(client, phase=Phase.SENDING) for _ in range(2)]
    taken, let_go = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(_hold, taken, let_go, lambda: lifecycle.hold_status([c.pk for c in campaigns]))
        assert taken.wait(LIMIT_SECONDS)
        try:
            with transaction.atomic():
                _execute("SET LOCAL lock_timeout = '2s'")
                lifecycle.hold_status([c.pk for c in reversed(campaigns)])
        finally:
            let_go.set()
        other.result(LIMIT_SECONDS)


@ONLY_POSTGRESQL
def test_new_chunks_do_not_wait_for_whoever_changes_the_campaign(client: Client) -> None:
    campaign = make_campaign(client, phase=Phase.EXPANDING)
    taken, let_go = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        holder = pool.submit(_hold, taken, let_go, lambda: lifecycle.set_status(client, campaign.object_id, "paused"))
        assert taken.wait(LIMIT_SECONDS)
        try:
            with transaction.atomic():
                _execute("SET LOCAL lock_timeout = '2s'")
                Chunk.objects.create(campaign=campaign, rows=1)
        finally:
            let_go.set()
        holder.result(LIMIT_SECONDS)


@ONLY_POSTGRESQL
def test_a_start_pins_the_set_that_a_replace_in_progress_leaves(client: Client) -> None:
    """Else it could pin a set that is retired already, and purged when the pin comes."""
    campaign = make_campaign(client)
    new_set = ContactSet.objects.create()
    taken, let_go = threading.Event(), threading.Event()
    with ThreadPoolExecutor(2) as pool:
        replace = pool.submit(_hold, taken, let_go, lambda: ContactGroup.objects.update(contact_set=new_set))
        assert taken.wait(LIMIT_SECONDS)
        starting = pool.submit(_on_its_own_connection, lambda: lifecycle.start(campaign.pk, timezone.now()))
        while _waiting_for_locks() < 1:
            assert not starting.done()
        let_go.set()
        replace.result(LIMIT_SECONDS)
        started = starting.result(LIMIT_SECONDS)
    assert started is not None
    assert started.contact_set_id == new_set.pk
    assert ContactSet.objects.get(pins=1).pk == new_set.pk


@ONLY_POSTGRESQL
@pytest.mark.parametrize("part", Part)
def test_a_delete_waits_for_a_campaign_that_is_being_made_and_is_refused(
    client: Client, part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_of = _parts(client)
    taken, let_go = threading.Event(), threading.Event()

    def pause_in_the_transaction(moment: datetime, _expiry_seconds: float | None) -> datetime:
        taken.set()
        assert let_go.wait(LIMIT_SECONDS)
        return moment

    monkeypatch.setattr(creation, "retry_deadline", pause_in_the_transaction)
    with ThreadPoolExecutor(2) as pool:
        creating = pool.submit(_on_its_own_connection, lambda: _create_of(client, made_of))
        assert taken.wait(LIMIT_SECONDS)
        deleting = pool.submit(_on_its_own_connection, lambda: _delete(client, part, made_of[part]))
        while _waiting_for_locks() < 1:
            assert not deleting.done()
        let_go.set()
        creating.result(LIMIT_SECONDS)
        with pytest.raises(Conflict):
            deleting.result(LIMIT_SECONDS)
    assert type(made_of[part])._default_manager.exists()


@ONLY_POSTGRESQL
@pytest.mark.parametrize("part", Part)
def test_a_campaign_waits_for_a_delete_of_what_it_is_made_of_and_is_refused(client: Client, part: Part) -> None:
    made_of = _parts(client)
    taken, let_go = threading.Event(), threading.Event()
    with ThreadPoolExecutor(2) as pool:
        deleting = pool.submit(_hold, taken, let_go, lambda: _delete(client, part, made_of[part]))
        assert taken.wait(LIMIT_SECONDS)
        creating = pool.submit(_on_its_own_connection, lambda: _create_of(client, made_of))
        while _waiting_for_locks() < 1:
            assert not creating.done()
        let_go.set()
        deleting.result(LIMIT_SECONDS)
        with pytest.raises(InvalidFields):
            creating.result(LIMIT_SECONDS)
    assert not Campaign.objects.exists()


def _parts(client: Client) -> dict[Part, ClientResource]:
    return {
        Part.SENDER: make_sender(client),
        Part.MESSAGE: make_message(client),
        Part.CONTACT_GROUP: make_group(client),
    }


def _create_of(client: Client, made_of: Mapping[Part, ClientResource]) -> None:
    attributes = {
        "message": {"source": "reuse", "_id": made_of[Part.MESSAGE].object_id},
        "contact_group": {"type": "reuse", "_id": made_of[Part.CONTACT_GROUP].object_id},
        "schedule": {
            "name": "Race",
            "start_date": "2016-09-08 09:00",
            "timezone": "UTC",
            "sender_id": made_of[Part.SENDER].object_id,
        },
    }
    creation.create_campaign(client, attributes, None, None)


@transaction.atomic
def _delete(client: Client, part: Part, row: ClientResource) -> None:
    lifecycle.ensure_unused(client, part, row.object_id)
    row.delete()


def _waiting_for_locks() -> int:
    """How many connections to this test's database are waiting for one; the server has other tests' databases, too."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])
