"""Contact groups whose contacts are streamed, also while they change."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.http import StreamingHttpResponse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from sendmill.accounts.models import Client
from sendmill.api import contacts as contacts_api
from sendmill.api import streaming
from sendmill.contacts import groups, pages
from sendmill.contacts.contact_sets import GRACE
from sendmill.contacts.groups import ContactsGone
from sendmill.contacts.maintenance import purge_retired_sets
from sendmill.contacts.models import ContactGroup, ContactPage, ContactSet, SetPage
from tests.database.api.conftest import Program, Tenant
from tests.database.contacts.making import fill

PATH = "/email/contact/"


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE_CONTACTS", 3)
    monkeypatch.setattr(streaming, "_BUNDLE_BYTES", 1)


def new_group(client: Client, contacts: int, tag: str = "People") -> ContactGroup:
    group = groups.add_group(client, tag=tag)
    fill(group, [(f"{n}@x.ch", f"{tag} {n}", {}) for n in range(contacts)])
    return group


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6, 7])
def test_contacts_come_in_order_whatever_the_page(acme: Tenant, count: int) -> None:
    group = new_group(acme.client, count)
    shown = [{"name": f"People {n}", "email": f"{n}@x.ch"} for n in range(count)]

    assert acme.api.get(PATH, _id=group.object_id).json["contacts"] == shown
    assert [row["contacts"] for row in acme.api.get(PATH).json] == [shown]
    assert acme.api.put(f"{PATH}?_id={group.object_id}", {"tag": "x"}).expect(200).json["contacts"] == shown


def test_every_group_has_its_own_contacts(acme: Tenant, other: Tenant) -> None:
    for tag, count in (("a", 4), ("b", 0), ("c", 2)):
        new_group(acme.client, count, tag)
    new_group(other.client, 5, "d")

    listed = acme.api.get(PATH).json

    assert [(row["tag"], len(row["contacts"])) for row in listed] == [("a", 4), ("b", 0), ("c", 2)]
    assert [row["tag"] for row in acme.api.get(PATH, limit="2").json] == ["a", "b"]
    assert [row["tag"] for row in acme.api.get(PATH, after=listed[0]["$_id"]["$oid"]).json] == ["b", "c"]


def begun_stream(api: Program, path: str) -> tuple[bytes, Iterator[bytes]]:
    """The first piece of a list whose reader is slow, and what would come then."""
    response = api.http.get(path)
    assert isinstance(response, StreamingHttpResponse)
    pieces = iter(response.streaming_content)
    return next(pieces), pieces


def test_a_reader_who_has_begun_sees_all_of_the_old_contacts(acme: Tenant) -> None:
    group = new_group(acme.client, 10)
    first, rest = begun_stream(acme.api, f"{PATH}?_id={group.object_id}")

    old = group.contact_set
    group.contact_set = ContactSet.objects.create()
    group.save()
    ContactSet.objects.filter(pk=old.pk).update(retired_on=timezone.now())
    assert not purge_retired_sets()

    assert len(json.loads(first + b"".join(rest))["contacts"]) == 10
    assert acme.api.get(PATH, _id=group.object_id).json["contacts"] == []


def test_one_who_is_slower_than_the_purge_gets_json_that_does_not_parse(acme: Tenant) -> None:
    group = new_group(acme.client, 10)
    first, rest = begun_stream(acme.api, f"{PATH}?_id={group.object_id}")
    begun = first + next(rest) + next(rest)

    old = group.contact_set
    group.contact_set = ContactSet.objects.create()
    group.save()
    ContactSet.objects.filter(pk=old.pk).update(retired_on=timezone.now() - GRACE)
    # The purge takes pages first, and the set that they are in at last.
    ContactPage.objects.filter(places__contact_set=old, places__number__gte=2).delete()

    with pytest.raises(ContactsGone):
        for piece in rest:
            begun += piece
    with pytest.raises(json.JSONDecodeError):
        json.loads(begun)


def test_a_list_looks_again_at_groups_it_read_long_ago(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one group is streamed to a slow reader, the next may be pointed at other contacts."""
    now = [0.0]
    monkeypatch.setattr(contacts_api.time, "monotonic", lambda: now[0])
    for tag in "abc":
        new_group(acme.client, 4, tag)
    first, rest = begun_stream(acme.api, PATH)

    now[0] += 3600
    for group in ContactGroup.objects.filter(tag__in="bc"):
        ContactSet.objects.filter(pk=group.contact_set_id).update(retired_on=timezone.now() - timedelta(days=1))
        group.contact_set = ContactSet.objects.create()
        group.save()
    ContactGroup.objects.filter(tag="c").delete()

    listed = json.loads(first + b"".join(rest))
    assert [(row["tag"], len(row["contacts"])) for row in listed] == [("a", 4), ("b", 0)]


def test_a_deleted_groups_contacts_are_left_to_the_purge(acme: Tenant) -> None:
    group = new_group(acme.client, 4)

    acme.api.delete(f"{PATH}?_id={group.object_id}").expect(204)

    assert ContactPage.objects.count() == 2
    assert not purge_retired_sets()
    an_hour_ago = timezone.now() - GRACE - timedelta(minutes=1)
    ContactSet.objects.filter(retired_on__isnull=False).update(retired_on=an_hour_ago)
    while purge_retired_sets():
        pass
    assert ContactPage.objects.count() == SetPage.objects.count() == ContactSet.objects.count() == 0


def test_a_list_needs_no_query_for_each_row(
    acme: Tenant, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        acme.api.post("/email/optout/", {"email": f"{number}@example.com"})

    with django_assert_max_num_queries(4):
        assert len(acme.api.get("/email/optout/").json) == 20


@pytest.mark.django_db(transaction=True)
def test_a_slow_reader_holds_no_database_connection(new_tenant: Callable[[str], Tenant]) -> None:
    acme = new_tenant("acme")
    group = new_group(acme.client, 50)

    first, rest = begun_stream(acme.api, f"{PATH}?_id={group.object_id}")

    assert connection.connection is None
    assert len(json.loads(first + b"".join(rest))["contacts"]) == 50


def test_contacts_that_go_before_anything_was_sent(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_BUNDLE_BYTES", 1000)
    group = new_group(acme.client, 4)
    ContactSet.objects.filter(pk=group.contact_set_id).update(retired_on=timezone.now() - GRACE)

    answer = acme.api.get(PATH, _id=group.object_id).expect(503)

    assert answer.json == {"detail": "The contacts were replaced while they were read. Try again."}
