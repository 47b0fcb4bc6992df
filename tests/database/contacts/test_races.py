"""What others do at the same moment: each test lets it happen between two statements, where nothing may hold it up."""

from concurrent.futures import Future

import pytest

from sendmill.accounts.models import Client
from sendmill.contacts import import_jobs, importer
from sendmill.contacts.column_choice import Columns
from sendmill.contacts.groups import add_group, delete_group
from sendmill.contacts.models import ContactGroup, ContactSet, Import, ImportKind
from sendmill.errors import NotFound
from tests.database.at_once import somebody_else
from tests.database.campaigns.making import make_client, make_group
from tests.database.contacts.making import csv_file

pytestmark = pytest.mark.django_db(transaction=True)

FILE = ("name,email", "Ann,ann@example.com")


@pytest.mark.parametrize("kind", [ImportKind.REPLACE, ImportKind.UPDATE, ImportKind.DELETE])
def test_a_group_deleted_while_its_file_comes_in_is_not_found(kind: ImportKind) -> None:
    group = make_group(make_client())
    found = ContactGroup.objects.get(pk=group.pk)  # as the call does, and then waits for the last byte of its file
    delete_group(group.client, group.object_id)

    with pytest.raises(NotFound):
        importer.run_import(found.client, kind, found, csv_file(*FILE), email_index=1, name_index=0)
    with pytest.raises(NotFound):
        import_jobs.add_job(found.client, kind, found, csv_file(*FILE), Columns(1, 0))
    assert not Import.objects.exists() and not ContactSet.objects.filter(retired_on=None).exists()


def test_two_jobs_for_a_new_tag_make_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    client = make_client()

    def job() -> Import:
        return import_jobs.add_job(client, ImportKind.UPDATE, None, csv_file(*FILE), Columns(1, 0), tag="New")

    def second_comes_first(owner: Client, *, tag: str) -> ContactGroup:
        monkeypatch.setattr(import_jobs, "add_group", add_group)
        others.append(does(job))
        return add_group(owner, tag=tag)

    others: list[Future[Import]] = []
    monkeypatch.setattr(import_jobs, "add_group", second_comes_first)
    with somebody_else() as does:
        mine = job()
        assert others[0].result().group == mine.group == ContactGroup.objects.get()
