"""What imports and campaigns do in the very moment in which a person is taken out of the contacts."""

import pytest
from django.db import transaction
from django.utils import timezone

from sendmill.accounts.models import Client
from sendmill.campaigns import lifecycle
from sendmill.contacts import import_jobs, staging
from sendmill.contacts.column_choice import Columns
from sendmill.contacts.csv_reader import open_contacts
from sendmill.contacts.importer import add_group_of
from sendmill.contacts.models import ContactGroup, Import, ImportKind, ImportPiece, ImportState
from sendmill.contacts.next_set import receive_set
from sendmill.delivery.clock import now_ms
from sendmill.delivery.expand import expand_step
from sendmill.delivery.models import Chunk, Delivery
from sendmill.errors import Conflict
from sendmill.people.erasing import Step, ask, take_step
from tests.database.at_once import before_statement
from tests.database.campaigns.making import make_campaign, make_client, make_group
from tests.database.contacts.making import bulk, csv_file, emails_of

pytestmark = pytest.mark.django_db(transaction=True)

FILE = ("name,email", "Ann,ann@example.com", "Zoe,zoe@example.com", "Bob,bob@example.com")
LOOKS_FOR_FILES = 'DELETE FROM "contacts_importpiece"'


def kept_list(client: Client) -> Import:
    """A list that waits for its group, with its file."""
    job = import_jobs.add_job(client, ImportKind.STAGE, None, csv_file(*FILE), Columns(1, 0))
    record = staging.begin_anew(job.pk)
    assert record is not None
    receive_set(record, open_contacts(csv_file(*FILE), email_index=1, name_index=0))
    staging.keep(record)
    return record


def test_the_file_of_a_job_that_begins_just_now_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_jobs, "PIECE_BYTES", 20)
    client = make_client()
    first = kept_list(client)
    pieces = first.pieces.count()
    erasure = ask(client, "zoe@example.com", requested_by="")

    def adds() -> Import:
        return import_jobs.add_job(client, ImportKind.OPTOUT_ADD, None, csv_file(*FILE), Columns(1, None))

    with before_statement(LOOKS_FOR_FILES, adds) as ended:
        take_step(erasure.pk)
        job = ended[0].result()
    assert job.state == ImportState.WAITING and job.pieces.count() == pieces > 1


def test_a_list_that_is_read_anew_just_now_is_not_left_without_its_file() -> None:
    client = make_client()
    record = kept_list(client)
    erasure = ask(client, "zoe@example.com", requested_by="")

    with before_statement(LOOKS_FOR_FILES, lambda: import_jobs.read_anew(record, Columns(1, None))) as ended:
        take_step(erasure.pk)
        with pytest.raises(Conflict):
            ended[0].result()
    record.refresh_from_db()
    assert record.state == ImportState.STAGED and not ImportPiece.objects.exists()


@transaction.atomic
def make_group_of(record: Import) -> ContactGroup:
    return add_group_of(record, tag="New")


def test_a_group_made_just_now_of_a_staged_list_loses_the_person_too() -> None:
    client = make_client()
    record = kept_list(client)
    erasure = ask(client, "zoe@example.com", requested_by="")

    with before_statement('SELECT %s AS "a" FROM "contacts_import"', lambda: make_group_of(record)) as ended:
        assert take_step(erasure.pk) == Step.MORE
        assert emails_of(ended[0].result()) == ["ann@example.com", "bob@example.com"]


def test_a_page_that_is_just_being_expanded_is_waited_for() -> None:
    client = make_client()
    group = make_group(client)
    bulk(ImportKind.REPLACE, group, csv_file(*FILE))
    campaign = make_campaign(client, contact_group_object_id=group.object_id)
    assert lifecycle.start(campaign.pk, timezone.now()) is not None
    erasure = ask(client, "zoe@example.com", requested_by="")

    with before_statement('INSERT INTO "delivery_chunk"', lambda: take_step(erasure.pk)) as ended:
        expand_step(campaign.pk, now_ms())
        assert ended[0].result() in (Step.MORE, Step.WAIT)
    assert Chunk.objects.get().rows == Delivery.objects.count()
    while expand_step(campaign.pk, now_ms()):
        pass
    while take_step(erasure.pk) != Step.FINISHED:
        pass
    assert not Delivery.objects.filter(email="zoe@example.com").exists()
    assert emails_of(group) == ["ann@example.com", "bob@example.com"]
