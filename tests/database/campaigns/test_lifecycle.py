"""Status, start, end of expansion and close of a campaign, one caller at a time."""

import itertools
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from sendmill.accounts.models import Client
from sendmill.campaigns import lifecycle
from sendmill.campaigns.lifecycle import Part
from sendmill.campaigns.models import Campaign, Phase, Status
from sendmill.contacts.models import ContactGroup, ContactSet
from sendmill.content.models import Message
from sendmill.errors import Conflict, InvalidField, NotFound
from sendmill.ids import new_object_id
from sendmill.senders.models import Sender
from tests.database.campaigns.making import make_campaign, make_client, make_group, make_message, make_sender

pytestmark = pytest.mark.django_db

COLUMNS = {
    Part.SENDER: "sender_object_id",
    Part.MESSAGE: "message_object_id",
    Part.CONTACT_GROUP: "contact_group_object_id",
}
MAKERS = {Part.SENDER: make_sender, Part.MESSAGE: make_message, Part.CONTACT_GROUP: make_group}


@pytest.fixture
def client() -> Client:
    return make_client()


# Status ---------------------------------------------------------------------------------------------------------------

ALLOWED = [
    ("active", "paused"),
    ("paused", "active"),
    ("active", "cancelled"),
    ("paused", "cancelled"),
    ("active", "active"),
    ("paused", "paused"),
    ("cancelled", "cancelled"),
]


@pytest.mark.parametrize("phase", [Phase.WAITING, Phase.EXPANDING, Phase.SENDING])
@pytest.mark.parametrize(("before", "after"), ALLOWED)
def test_allowed_changes(client: Client, before: str, after: str, phase: Phase) -> None:
    campaign = make_campaign(client, status=before, phase=phase)
    modified_on = campaign.modified_on
    lifecycle.set_status(client, campaign.object_id, after)
    campaign.refresh_from_db()
    assert campaign.status == after
    assert (campaign.modified_on > modified_on) is (before != after)


REFUSED = [pair for pair in itertools.product(Status, lifecycle.SETTABLE) if pair not in ALLOWED]


@pytest.mark.parametrize(("before", "after"), REFUSED)
def test_every_other_change_is_refused(client: Client, before: Status, after: Status) -> None:
    campaign = make_campaign(client, status=before, phase=Phase.CLOSED)
    with pytest.raises(InvalidField) as caught:
        lifecycle.set_status(client, campaign.object_id, after)
    assert caught.value.path == ("status",)
    assert before in caught.value.reason
    stored = Campaign.objects.get()
    assert (stored.status, stored.modified_on) == (before, campaign.modified_on)


@pytest.mark.parametrize("status", ["completed", "ACTIVE", "", "sending"])
def test_what_is_no_status_is_refused(client: Client, status: str) -> None:
    campaign = make_campaign(client)
    with pytest.raises(InvalidField) as caught:
        lifecycle.set_status(client, campaign.object_id, status)
    assert caught.value.reason == f'"{status}" is not a valid choice.'


def test_another_clients_unknown_and_malformed_ids_are_not_found(client: Client) -> None:
    other = make_campaign(make_client("Other"))
    for object_id in (other.object_id, new_object_id(), "7", "", "x" * 24):
        with pytest.raises(NotFound):
            lifecycle.set_status(client, object_id, "paused")
    other.refresh_from_db()
    assert other.status == Status.ACTIVE


def test_an_id_is_found_in_upper_case(client: Client) -> None:
    campaign = make_campaign(client)
    lifecycle.set_status(client, campaign.object_id.upper(), "paused")
    campaign.refresh_from_db()
    assert campaign.status == Status.PAUSED


@pytest.mark.parametrize("status", lifecycle.UNFINISHED)
def test_cancelled_before_its_start_it_is_closed_and_never_starts(client: Client, status: Status) -> None:
    campaign = make_campaign(client, status=status)
    lifecycle.set_status(client, campaign.object_id, "cancelled")
    campaign.refresh_from_db()
    assert campaign.phase == Phase.CLOSED
    assert lifecycle.due_campaign_ids(timezone.now(), 10) == []
    assert lifecycle.start(campaign.pk, timezone.now()) is None


@pytest.mark.parametrize("phase", [Phase.EXPANDING, Phase.SENDING])
def test_cancelled_after_its_start_it_stays_open_until_every_recipient_has_a_result(
    client: Client, phase: Phase
) -> None:
    campaign = make_campaign(client, phase=phase)
    lifecycle.set_status(client, campaign.object_id, "cancelled")
    campaign.refresh_from_db()
    assert campaign.phase == phase


def test_a_resumed_campaign_retries_for_the_full_time_again(client: Client) -> None:
    long_ago = timezone.now() - timedelta(days=30)
    campaign = make_campaign(client, status=Status.PAUSED, phase=Phase.SENDING, expires_at=long_ago)
    before = timezone.now()
    lifecycle.set_status(client, campaign.object_id, "active")
    campaign.refresh_from_db()
    assert campaign.expires_at >= before + timedelta(seconds=settings.SENDMILL_EXPIRY_SECONDS)


def test_resuming_a_campaign_of_the_future_does_not_shorten_its_time(client: Client) -> None:
    expires_at = timezone.now() + timedelta(days=365)
    campaign = make_campaign(client, status=Status.PAUSED, expires_at=expires_at)
    lifecycle.set_status(client, campaign.object_id, "active")
    campaign.refresh_from_db()
    assert campaign.expires_at == expires_at


# Deletes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", Part)
@pytest.mark.parametrize("status", lifecycle.UNFINISHED)
@pytest.mark.parametrize("phase", [Phase.WAITING, Phase.EXPANDING, Phase.SENDING])
def test_a_part_of_an_unfinished_campaign_is_in_use(client: Client, part: Part, status: Status, phase: Phase) -> None:
    campaign = make_campaign(client, name="Autumn sale", status=status, phase=phase)
    with pytest.raises(Conflict) as caught, transaction.atomic():
        lifecycle.ensure_unused(client, part, getattr(campaign, COLUMNS[part]))
    assert "Autumn sale" in str(caught.value)
    assert campaign.object_id in str(caught.value)
    assert part in str(caught.value)


@pytest.mark.parametrize("part", Part)
@pytest.mark.parametrize("status", [Status.CANCELLED, Status.COMPLETED])
def test_a_part_of_a_finished_campaign_is_free(client: Client, part: Part, status: Status) -> None:
    campaign = make_campaign(client, status=status, phase=Phase.CLOSED)
    lifecycle.ensure_unused(client, part, getattr(campaign, COLUMNS[part]))


@pytest.mark.parametrize("part", Part)
def test_a_part_of_no_campaign_is_free(client: Client, part: Part) -> None:
    make_campaign(client)
    lifecycle.ensure_unused(client, part, MAKERS[part](client).object_id)


@pytest.mark.parametrize("part", Part)
def test_another_clients_part_is_not_found(client: Client, part: Part) -> None:
    theirs = MAKERS[part](make_client("Other"))
    for object_id in (theirs.object_id, new_object_id(), "", "7"):
        with pytest.raises(NotFound):
            lifecycle.ensure_unused(client, part, object_id)


# Start ----------------------------------------------------------------------------------------------------------------


def test_due_are_active_waiting_campaigns_whose_time_has_come_longest_waiting_first(client: Client) -> None:
    now = timezone.now()
    late = make_campaign(client, starts_at=now - timedelta(hours=1))
    later = make_campaign(client, starts_at=now)
    earliest = make_campaign(make_client("Other"), starts_at=now - timedelta(hours=2))
    make_campaign(client, starts_at=now + timedelta(microseconds=1))
    make_campaign(client, status=Status.PAUSED)
    make_campaign(client, phase=Phase.EXPANDING)
    make_campaign(client, status=Status.CANCELLED, phase=Phase.CLOSED)
    assert lifecycle.due_campaign_ids(now, 10) == [earliest.pk, late.pk, later.pk]
    assert lifecycle.due_campaign_ids(now, 2) == [earliest.pk, late.pk]


def test_start_freezes_what_is_sent_and_pins_the_contacts(client: Client) -> None:
    sender = make_sender(client, "me@example.com")
    message = make_message(client, "Subject", "Body {{ unsubscribe_url }}")
    group = make_group(client)
    campaign = make_campaign(
        client,
        sender_object_id=sender.object_id,
        message_object_id=message.object_id,
        contact_group_object_id=group.object_id,
    )
    now = timezone.now()
    started = lifecycle.start(campaign.pk, now)
    assert started is not None
    Message.objects.update(description="Another", email_message="Another")
    Sender.objects.update(email="another@example.com")
    campaign.refresh_from_db()
    assert (campaign.frozen_subject, campaign.frozen_body) == ("Subject", "Body {{ unsubscribe_url }}")
    assert campaign.frozen_sender == "me@example.com"
    assert campaign.phase == Phase.EXPANDING
    assert campaign.status == Status.ACTIVE
    assert campaign.contact_set_id == group.contact_set_id == started.contact_set_id
    assert campaign.expires_at == now + timedelta(seconds=settings.SENDMILL_EXPIRY_SECONDS)
    assert ContactSet.objects.get(pk=group.contact_set_id).pins == 1
    assert lifecycle.due_campaign_ids(now, 10) == []


def test_start_reads_message_sender_and_contacts_as_they_are_then(client: Client) -> None:
    campaign = make_campaign(client)
    Message.objects.update(description="Edited")
    replaced = ContactSet.objects.create()
    ContactGroup.objects.update(contact_set=replaced)
    lifecycle.start(campaign.pk, timezone.now())
    campaign.refresh_from_db()
    assert campaign.frozen_subject == "Edited"
    assert campaign.contact_set_id == replaced.pk


def test_what_stands_in_a_tag_of_the_message_is_no_end_of_its_body(client: Client) -> None:
    """The footer broke the tag, and the scheduler with it: no campaign of anybody started any more."""
    message = make_message(client, body='<p>Hello</p>{{ "</body>" }}')
    campaign = make_campaign(client, message_object_id=message.object_id)
    assert lifecycle.start(campaign.pk, timezone.now()) is not None
    campaign.refresh_from_db()
    assert "{{ unsubscribe_url }}" in campaign.frozen_body


def test_a_campaign_starts_once(client: Client) -> None:
    campaign = make_campaign(client)
    assert lifecycle.start(campaign.pk, timezone.now()) is not None
    assert lifecycle.start(campaign.pk, timezone.now()) is None
    assert ContactSet.objects.filter(pins=1).count() == 1


def test_nothing_starts_before_its_time_or_while_paused(client: Client) -> None:
    now = timezone.now()
    future = make_campaign(client, starts_at=now + timedelta(seconds=1))
    paused = make_campaign(client, status=Status.PAUSED)
    assert lifecycle.start(future.pk, now) is None
    assert lifecycle.start(paused.pk, now) is None
    assert lifecycle.start(10**9, now) is None
    assert not Campaign.objects.exclude(phase=Phase.WAITING).exists()

    lifecycle.set_status(client, paused.object_id, "active")
    assert lifecycle.due_campaign_ids(now, 10) == [paused.pk]
    assert lifecycle.start(paused.pk, now) is not None


@pytest.mark.parametrize("model", [Sender, Message, ContactGroup])
def test_a_campaign_without_one_of_its_parts_is_cancelled(
    client: Client, model: type[Sender | Message | ContactGroup]
) -> None:
    campaign = make_campaign(client)
    model._default_manager.all().delete()
    assert lifecycle.start(campaign.pk, timezone.now()) is None
    campaign.refresh_from_db()
    assert (campaign.status, campaign.phase) == (Status.CANCELLED, Phase.CLOSED)
    assert not ContactSet.objects.filter(pins__gt=0).exists()


def test_a_part_that_is_another_clients_now_is_not_used(client: Client) -> None:
    campaign = make_campaign(client)
    Message.objects.update(client=make_client("Other"))
    assert lifecycle.start(campaign.pk, timezone.now()) is None


# End ------------------------------------------------------------------------------------------------------------------


def _started(client: Client) -> Campaign:
    campaign = lifecycle.start(make_campaign(client).pk, timezone.now())
    assert campaign is not None
    return campaign


@pytest.mark.parametrize("status", lifecycle.SETTABLE)
def test_the_end_of_expansion_unpins_once_whatever_the_status(client: Client, status: Status) -> None:
    campaign = _started(client)
    lifecycle.set_status(client, campaign.object_id, status)
    assert lifecycle.finish_expansion(campaign.pk) is True
    assert lifecycle.finish_expansion(campaign.pk) is False
    campaign.refresh_from_db()
    assert (campaign.phase, campaign.status, campaign.contact_set_id) == (Phase.SENDING, status, None)
    assert not ContactSet.objects.exclude(pins=0).exists()


def test_two_campaigns_pin_one_set_twice(client: Client) -> None:
    group = make_group(client)
    campaigns = [make_campaign(client, contact_group_object_id=group.object_id) for _ in range(2)]
    for campaign in campaigns:
        lifecycle.start(campaign.pk, timezone.now())
    assert ContactSet.objects.get(pk=group.contact_set_id).pins == 2
    lifecycle.finish_expansion(campaigns[0].pk)
    assert ContactSet.objects.get(pk=group.contact_set_id).pins == 1


@pytest.mark.parametrize(
    ("before", "after"), [("active", "completed"), ("paused", "completed"), ("cancelled", "cancelled")]
)
def test_close(client: Client, before: str, after: str) -> None:
    campaign = make_campaign(client, status=before, phase=Phase.SENDING)
    modified_on = campaign.modified_on
    assert lifecycle.close(campaign.pk) is True
    campaign.refresh_from_db()
    assert (campaign.status, campaign.phase) == (after, Phase.CLOSED)
    assert (campaign.modified_on > modified_on) is (before != after)
    closed_at = campaign.modified_on
    assert lifecycle.close(campaign.pk) is False
    campaign.refresh_from_db()
    assert campaign.modified_on == closed_at


@pytest.mark.parametrize("phase", [Phase.WAITING, Phase.EXPANDING, Phase.CLOSED])
def test_a_campaign_in_another_phase_does_not_close(client: Client, phase: Phase) -> None:
    campaign = make_campaign(client, phase=phase)
    assert lifecycle.close(campaign.pk) is False
    campaign.refresh_from_db()
    assert (campaign.status, campaign.phase) == (Status.ACTIVE, phase)
