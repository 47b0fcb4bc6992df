"""Making a campaign: what is made of each source, what is refused, and that a refusal leaves nothing behind."""

import copy
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import models
from django.utils import timezone

from sendmill.accounts.models import Client
from sendmill.campaigns import creation
from sendmill.campaigns.creation import create_campaign
from sendmill.campaigns.message_file import MAX_MESSAGE_BYTES
from sendmill.campaigns.models import Campaign, Phase, Status
from sendmill.contacts.models import ContactGroup, ContactPage, ContactSet, Import, ImportState, RejectedRow
from sendmill.content.models import Message
from sendmill.errors import InvalidFields
from sendmill.ids import new_object_id
from sendmill.senders.models import Sender
from tests.database.campaigns.making import make_client, make_group, make_message, make_sender
from tests.database.contacts.making import contacts_of

pytestmark = pytest.mark.django_db

CSV = b"email,name,city\na@example.com,Ann,Oslo\nno address,Bob,Bern\nc@example.com,Cid,Rome\n"
MADE: tuple[type[models.Model], ...] = (Campaign, Message, ContactGroup, Import, RejectedRow)


@pytest.fixture
def client() -> Client:
    return make_client()


@pytest.fixture
def attributes(client: Client) -> dict[str, Any]:
    """The reference's own example."""
    return {
        "message": {"source": "new", "description": "Hello {{ name }}", "email_message": "From {{ city }}."},
        "contact_group": {"type": "upload", "name_index": 1, "email_index": 0},
        "schedule": {
            "name": "My Campaign",
            "start_date": "2046-09-08 09:00",
            "timezone": "EST5EDT",
            "sender_id": {"$oid": make_sender(client).object_id},
        },
    }


def create(
    client: Client, attributes: object, csv_file: bytes | None = CSV, message_file: bytes | None = None
) -> creation.Created:
    return create_campaign(
        client,
        attributes,
        None if csv_file is None else io.BytesIO(csv_file),
        None if message_file is None else io.BytesIO(message_file),
    )


def refused(
    client: Client, attributes: object, csv_file: bytes | None = CSV, message_file: bytes | None = None
) -> dict[str, str]:
    """Why the campaign was refused, by path. Asserts that nothing was left behind."""
    before = [model._default_manager.count() for model in MADE]
    with pytest.raises(InvalidFields) as caught:
        create(client, attributes, csv_file, message_file)
    assert [model._default_manager.count() for model in MADE] == before
    assert not ContactSet.objects.filter(retired_on=None, groups=None).exists()
    return {".".join(error.path): error.reason for error in caught.value.errors}


def test_a_new_message_and_uploaded_contacts(client: Client, attributes: dict[str, Any]) -> None:
    before = timezone.now()
    created = create(client, attributes)
    campaign = Campaign.objects.get()
    assert campaign == created.campaign
    assert campaign.client == client
    assert (campaign.status, campaign.phase) == (Status.ACTIVE, Phase.WAITING)
    assert campaign.name == "My Campaign"
    assert (campaign.start_wall_clock, campaign.timezone) == ("2046-09-08 09:00", "EST5EDT")
    assert campaign.starts_at == datetime(2046, 9, 8, 13, tzinfo=UTC)
    assert campaign.expires_at == campaign.starts_at + timedelta(seconds=settings.SENDMILL_EXPIRY_SECONDS)
    assert before <= campaign.created_on == campaign.modified_on
    message = Message.objects.get(client=client, object_id=campaign.message_object_id)
    assert (message.description, message.email_message) == ("Hello {{ name }}", "From {{ city }}.")
    group = ContactGroup.objects.get(client=client, object_id=campaign.contact_group_object_id)
    assert group.tag == "My Campaign"
    assert contacts_of(group) == [
        ("a@example.com", "Ann", {"city": "Oslo"}),
        ("c@example.com", "Cid", {"city": "Rome"}),
    ]
    assert Sender.objects.get().object_id == campaign.sender_object_id
    record = Import.objects.get(object_id=created.import_object_id)
    assert (record.state, record.group, record.accepted_rows, record.rejected_rows) == (ImportState.DONE, group, 2, 1)
    assert RejectedRow.objects.get().value == "no address"


def test_everything_reused(client: Client, attributes: dict[str, Any]) -> None:
    message, group = make_message(client), make_group(client)
    attributes["message"] = {"source": "reuse", "_id": {"$oid": message.object_id}}
    attributes["contact_group"] = {"type": "reuse", "$_id": group.object_id}
    created = create(client, attributes, csv_file=None)
    assert created.import_object_id is None
    assert created.campaign.message_object_id == message.object_id
    assert created.campaign.contact_group_object_id == group.object_id
    assert (Message.objects.count(), ContactGroup.objects.count(), Import.objects.count()) == (1, 1, 0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_an_uploaded_message(client: Client, attributes: dict[str, Any], encoding: str) -> None:
    attributes["message"] = {"source": "upload", "description": "Subject"}
    create(client, attributes, message_file="<p>Grüße, {{ name }}</p>".encode(encoding))
    message = Message.objects.get()
    assert (message.description, message.email_message) == ("Subject", "<p>Grüße, {{ name }}</p>")


def test_an_uploaded_message_that_is_not_in_a_file(client: Client, attributes: dict[str, Any]) -> None:
    attributes["message"]["source"] = "upload"
    created = create(client, attributes)
    assert Message.objects.get().email_message == "From {{ city }}."
    attributes["message"] = {"source": "upload", "_id": created.campaign.message_object_id}
    assert create(client, attributes).campaign.message_object_id == created.campaign.message_object_id
    assert Message.objects.count() == 1


def test_files_that_nothing_asks_for_are_not_looked_at(client: Client, attributes: dict[str, Any]) -> None:
    attributes["contact_group"] = {"type": "reuse", "_id": make_group(client).object_id}
    create(client, attributes, csv_file=b"\0\0", message_file=b"\0\0")
    assert Campaign.objects.count() == 1


def test_a_list_without_a_contact_makes_a_campaign(client: Client, attributes: dict[str, Any]) -> None:
    create(client, attributes, csv_file=b"email,name\n")
    assert Campaign.objects.count() == 1
    assert ContactPage.objects.count() == 0


def test_a_start_in_the_past_is_due_at_once_and_retries_from_now(client: Client, attributes: dict[str, Any]) -> None:
    attributes["schedule"]["start_date"] = "2016-09-08 09:00"
    before = timezone.now()
    campaign = create(client, attributes).campaign
    assert campaign.starts_at == datetime(2016, 9, 8, 13, tzinfo=UTC)
    assert campaign.expires_at >= before + timedelta(seconds=settings.SENDMILL_EXPIRY_SECONDS)


def test_everything_wrong_with_the_attributes_is_told_at_once(client: Client) -> None:
    assert list(refused(client, None)) == ["attributes"]
    assert list(refused(client, {"message": {"source": "new"}, "contact_group": 5})) == [
        "attributes.message.description",
        "attributes.message.email_message",
        "attributes.contact_group",
        "attributes.schedule",
    ]


def test_everything_that_does_not_exist_is_told_at_once(client: Client, attributes: dict[str, Any]) -> None:
    """Unknown ids, and another client's, which must look the same."""
    other = make_client("Other")
    for sender, message, group in (
        (new_object_id(), new_object_id(), new_object_id()),
        (make_sender(other).object_id, make_message(other).object_id, make_group(other).object_id),
    ):
        attributes["schedule"]["sender_id"] = sender
        attributes["message"] = {"source": "reuse", "_id": message}
        attributes["contact_group"] = {"type": "reuse", "$_id": group}
        assert refused(client, attributes) == {
            "attributes.schedule.sender_id": f'Invalid pk "{sender}" - object does not exist.',
            "attributes.message._id": f'Invalid pk "{message}" - object does not exist.',
            "attributes.contact_group.$_id": f'Invalid pk "{group}" - object does not exist.',
        }


def test_contacts_are_not_read_for_a_campaign_that_cannot_be_made(client: Client, attributes: dict[str, Any]) -> None:
    attributes["schedule"]["sender_id"] = new_object_id()
    csv_file = io.BytesIO(CSV)
    with pytest.raises(InvalidFields):
        create_campaign(client, attributes, csv_file, None)
    assert csv_file.tell() == 0


def test_missing_files_are_told_at_once(client: Client, attributes: dict[str, Any]) -> None:
    attributes["message"] = {"source": "upload", "description": "Subject"}
    assert refused(client, attributes, csv_file=None) == {
        "message_file": "No file was submitted.",
        "csv_file": "No file was submitted.",
    }


def test_templates_that_cannot_be_read(client: Client, attributes: dict[str, Any]) -> None:
    broken = copy.deepcopy(attributes)
    broken["message"].update(description="Hello {{ name", email_message="One\n{% if %}")
    reasons = refused(client, broken)
    assert reasons.keys() == {"attributes.message.description", "attributes.message.email_message"}
    assert reasons["attributes.message.description"].startswith("Line 1: ")
    assert reasons["attributes.message.email_message"].startswith("Line 2: ")

    broken["message"] = {"source": "upload", "description": "Subject"}
    reasons = refused(client, broken, message_file=b"One\nTwo\n{{")
    assert list(reasons) == ["message_file"]
    assert reasons["message_file"].startswith("Line 3: ")


def test_a_message_file_that_is_no_text_or_too_large(client: Client, attributes: dict[str, Any]) -> None:
    attributes["message"] = {"source": "upload", "description": "Subject"}
    for content in (b"", b"\0", b"a" * (MAX_MESSAGE_BYTES + 1)):
        assert list(refused(client, attributes, message_file=content)) == ["message_file"]


@pytest.mark.parametrize(
    ("csv_file", "indexes", "path"),
    [
        (b"", {}, "csv_file"),
        (b"\0\1\2", {}, "csv_file"),
        (b"PK\x03\x04", {}, "csv_file"),
        (CSV, {"email_index": 3}, "attributes.contact_group.email_index"),
        (CSV, {"name_index": "7"}, "attributes.contact_group.name_index"),
        (CSV, {"email_index": -1}, "attributes.contact_group.email_index"),
    ],
)
def test_contacts_that_cannot_be_read(
    client: Client, attributes: dict[str, Any], csv_file: bytes, indexes: dict[str, Any], path: str
) -> None:
    attributes["contact_group"].update(indexes)
    assert list(refused(client, attributes, csv_file=csv_file)) == [path]


def test_a_file_that_turns_out_to_be_no_csv_further_down_leaves_nothing(
    client: Client, attributes: dict[str, Any]
) -> None:
    rows = b"".join(b"user%d@example.com,Name\n" % number for number in range(30_000))
    endless = b"last@example.com," + b"x" * 2_000_000
    assert list(refused(client, attributes, csv_file=rows + endless)) == ["csv_file"]


@pytest.mark.parametrize("part", ["sender", "message", "group"])
def test_a_part_that_is_deleted_while_the_file_comes_in(
    client: Client, attributes: dict[str, Any], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is received between the two looks; here somebody deletes at that moment."""
    if part == "message":
        attributes["message"] = {"source": "reuse", "_id": make_message(client).object_id}
    if part == "group":
        attributes["contact_group"] = {"type": "reuse", "_id": make_group(client).object_id}
    model: type[Sender | Message | ContactGroup]
    model, path = {
        "sender": (Sender, "attributes.schedule.sender_id"),
        "message": (Message, "attributes.message._id"),
        "group": (ContactGroup, "attributes.contact_group._id"),
    }[part]
    receive = creation._receive_contacts

    def receive_and_delete(*arguments: Any) -> Any:
        received = receive(*arguments)
        model._default_manager.all().delete()
        return received

    monkeypatch.setattr(creation, "_receive_contacts", receive_and_delete)
    with pytest.raises(InvalidFields) as caught:
        create(client, attributes)
    assert [".".join(error.path) for error in caught.value.errors] == [path]
    assert not Campaign.objects.exists()
    assert not Import.objects.exists()
    assert not ContactSet.objects.filter(retired_on=None, groups=None, pins=0).exclude(contacts=None).exists()


@pytest.mark.parametrize("step", ["add_message", "add_group_of", "retry_deadline"])
def test_a_crash_in_the_last_step_leaves_no_campaign_and_no_part_of_it(
    client: Client, attributes: dict[str, Any], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*arguments: Any, **keywords: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(creation, step, crash)
    with pytest.raises(MemoryError):
        create(client, attributes)
    assert not Campaign.objects.exists()
    assert not Message.objects.exists()
    assert not ContactGroup.objects.exists()
    assert Import.objects.get().state == ImportState.RECEIVING  # which maintenance gives up
