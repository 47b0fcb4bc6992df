"""After an erasure no table has the person's address or name any more, and no mail goes to them whatever comes back."""

import json
from datetime import timedelta

import pytest
from django.apps import apps
from django.utils import timezone
from pytest_django.fixtures import Settings

from sendmill.accounts import audit
from sendmill.accounts.models import Client, Kind
from sendmill.campaigns import lifecycle
from sendmill.campaigns.models import Campaign, Phase
from sendmill.contacts import importer
from sendmill.contacts.maintenance import purge_retired_sets
from sendmill.contacts.models import ContactGroup, ContactSet, ImportKind, ImportState
from sendmill.contacts.of_address import remove_address
from sendmill.contacts.staging import begin_import
from sendmill.delivery import queue, retry
from sendmill.delivery.clock import now_ms
from sendmill.delivery.models import Chunk, Delivery, DeliveryAttempt
from sendmill.delivery.queue import Attempt, Claim
from sendmill.delivery.states import State
from sendmill.errors import InvalidField
from sendmill.optouts import registry, suppressions
from sendmill.optouts.models import OptOut, OptOutChange
from sendmill.people import erasing
from sendmill.people.erasing import Step, ask, take_step, unfinished, without
from sendmill.people.kept import exported_person, find_person
from sendmill.people.models import Erasure
from tests.database.campaigns.making import make_campaign, make_client, make_group
from tests.database.contacts.making import csv_file, emails_of
from tests.database.delivery.making import LEASE_MS, expand_fully

pytestmark = pytest.mark.django_db

ZOE = "Zoë.Quist@Example.com"
OTHERS = [f"person{number}@example.com" for number in range(5)]


def fill(group: ContactGroup, *emails: str) -> None:
    rows = [f"{'Zoë Quist' if email == ZOE else 'Somebody'},{email},Oslo" for email in emails]
    file = csv_file("name,email,city", *rows)
    importer.run_import(group.client, ImportKind.REPLACE, group, file, email_index=1, name_index=0)
    group.refresh_from_db()


def sent_campaign(client: Client, group: ContactGroup, name: str = "Spring") -> Campaign:
    campaign = make_campaign(client, contact_group_object_id=group.object_id, name=name)
    assert lifecycle.start(campaign.pk, timezone.now()) is not None
    expand_fully(Campaign.objects.get(pk=campaign.pk))
    return campaign


def claimed() -> Claim:
    claim = queue.claim("aaaaaaaaaaaa:1:1", now_ms(), LEASE_MS)
    assert claim is not None
    return claim


def send_all(state: State, reply: str) -> None:
    claim = claimed()
    marked = queue.exchange({claim.chunk_id: claim}, [], [], claim.rows, now_ms()).marked
    due = None if state >= State.DELIVERED else 0
    attempts = [Attempt(row.id, state, 1, 1_000, due, 550, reply.format(row.email), "relay:25") for row in marked]
    queue.exchange({claim.chunk_id: claim}, attempts, [], [], now_ms())
    queue.release(claim.chunk_id, claim.fence)


def erase(client: Client, email: str) -> Erasure:
    erasure = ask(client, email, requested_by="owner@example.com")
    go_on(erasure)
    erasure.refresh_from_db()
    return erasure


def go_on(erasure: Erasure) -> Step:
    while (step := take_step(erasure.pk)) == Step.MORE:
        pass
    return step


def everything_stored(client: Client) -> str:
    """Every value of every row of every table that has to do with this client, in lower case."""
    kept = []
    for model in apps.get_models():
        if model._meta.label in ("contenttypes.ContentType", "auth.Permission") or not model._meta.managed:
            continue
        for row in model._default_manager.values():
            if row.get("client_id", client.pk) == client.pk:
                kept += [str(value).lower() for value in row.values()]
    return "\n".join(kept)


def test_no_table_has_the_person_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "ENTRIES_AT_ONCE", 2)
    client, other = make_client("Café"), make_client("Another")
    groups = [make_group(client, "News"), make_group(client, "Events")]
    for group in groups:
        fill(group, *OTHERS, ZOE)
    fill(make_group(other), ZOE)
    sent_campaign(client, groups[0])
    send_all(State.DEFERRED, "4.2.1 <{}> is busy")
    send_all(State.FAILED, "5.1.1 <{}> unknown")
    sent_campaign(client, groups[1], "Autumn")
    rejecting = csv_file("name,email", f'Zoë Quist,"{ZOE.upper()} , x"', "Somebody,a@b@c")
    importer.run_import(client, ImportKind.UPDATE, groups[0], rejecting, email_index=1, name_index=0)
    registry.opt_out_by_link(client, ZOE, "a" * 24)
    registry.remove_optout(client, OptOut.objects.get(client=client).object_id, reason="asked", removed_by="o@x.test")
    registry.add_optout(client, email=ZOE)
    for subject in ("", f"Zoë: {ZOE}", "", "", ZOE.upper()):
        audit.record(client, audit.command_line(), Kind.OPTOUTS, "removed an opt-out", subject)

    erasure = ask(client, ZOE, requested_by="owner@example.com")
    registry.add_optout(client, email=ZOE)  # as a link does that was clicked in the very moment
    go_on(erasure)
    erasure.refresh_from_db()

    assert (erasure.contacts, erasure.results, erasure.rejected_rows) == (2, 2, 1)
    assert erasure.finished_on is not None and unfinished() == []
    assert find_person(other, ZOE).groups and find_person(client, ZOE).suppression is not None
    others_sets = list(ContactGroup.objects.filter(client=other).values_list("contact_set", flat=True))
    remove_address(others_sets, "zoë.quist@example.com")
    # A set that an import has put aside is kept for slow readers, for an hour.
    ContactSet.objects.filter(groups=None).update(retired_on=timezone.now() - timedelta(days=1))
    while purge_retired_sets():
        pass
    assert "quist" not in everything_stored(client)
    assert emails_of(groups[0]) == emails_of(groups[1]) == OTHERS
    assert not OptOut.objects.filter(client=client).exists() and not OptOutChange.objects.exists()
    by_state = dict(Delivery.objects.filter(email=suppressions.ERASED_ADDRESS).values_list("state", "reply"))
    assert by_state == {State.FAILED: "5.1.1 <[erased]> unknown", State.OPTOUT: ""}
    assert DeliveryAttempt.objects.count() == len(OTHERS)


def test_who_comes_back_with_an_import_or_by_a_retry_is_not_mailed() -> None:
    client, other = make_client(), make_client("Another")
    group, others_group = make_group(client), make_group(other)
    fill(group, *OTHERS, ZOE)
    campaign = sent_campaign(client, group)
    send_all(State.FAILED, "5.0.0 no")
    erase(client, ZOE)
    assert retry.retry_failed(client, campaign.object_id) == len(OTHERS) + 1
    for chunk_id in retry.next_retry_chunks():
        retry.retry_chunk(chunk_id, now_ms())
    fill(group, *OTHERS, ZOE.upper())
    sent_campaign(client, group, "Autumn")
    fill(others_group, ZOE)
    sent_campaign(other, others_group)

    marked = []
    while claim := queue.claim("aaaaaaaaaaaa:1:1", now_ms(), LEASE_MS):
        done = queue.exchange({claim.chunk_id: claim}, [], [], claim.rows, now_ms())
        marked += [(claim.campaign_id, row.email) for row in done.marked]
    assert sorted(email for _, email in marked) == sorted([*OTHERS, *OTHERS, ZOE])
    assert Campaign.objects.get(pk=next(pk for pk, email in marked if email == ZOE)).client == other
    assert Delivery.objects.filter(state=State.OPTOUT).count() == 2

    suppressions.lift_suppression(client, ZOE)
    assert suppressions.suppressed_among(client.pk, [find_person(client, ZOE).key]) == set()


def test_what_may_still_write_the_address_is_waited_for() -> None:
    client = make_client()
    group = make_group(client)
    fill(group, *OTHERS, ZOE)
    earlier = begin_import(client, ImportKind.REPLACE, group)
    sent_campaign(client, group)
    held = claimed()

    erasure = ask(client, ZOE, requested_by="")
    assert go_on(erasure) == Step.WAIT
    earlier.state = ImportState.DONE
    earlier.save()
    assert go_on(erasure) == Step.WAIT and emails_of(group) == OTHERS
    assert Delivery.objects.filter(email=ZOE).exists(), "the worker may still need it"
    queue.release(held.chunk_id, held.fence)
    Campaign.objects.update(phase=Phase.EXPANDING)
    assert go_on(erasure) == Step.WAIT
    Campaign.objects.update(phase=Phase.SENDING)
    assert go_on(erasure) == Step.FINISHED
    assert Delivery.objects.get(email=suppressions.ERASED_ADDRESS).state == State.OPTOUT
    assert json.loads(Chunk.objects.get().counts) == {"0": len(OTHERS), "13": 1}


def test_imports_without_end_do_not_hold_an_erasure_up() -> None:
    client = make_client()
    group, another = make_group(client), make_group(client)
    fill(group, *OTHERS, ZOE)
    erasure = ask(client, ZOE, requested_by="")
    begun = [begin_import(client, ImportKind.UPDATE, another) for _ in range(2)]
    assert go_on(erasure) == Step.WAIT, "by the clock of another machine they may have begun before"
    for number, record in enumerate(begun):
        record.created_on = timezone.now() + timedelta(minutes=2)
        record.state = (ImportState.RECEIVING, ImportState.APPLYING)[number]
        record.save()
    assert go_on(erasure) == Step.WAIT, "what is applied is made of what the groups have"
    begun[1].delete()
    assert go_on(erasure) == Step.FINISHED and emails_of(group) == OTHERS


def test_a_digest_made_with_an_earlier_secret_counts_while_that_is_known(settings: Settings) -> None:
    client = make_client()
    erase(client, ZOE)
    key = find_person(client, ZOE).key

    def under(secret: str, fallbacks: list[str]) -> set[str]:
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = secret, fallbacks
        suppressions._keys.cache_clear()
        return suppressions.suppressed_among(client.pk, [key])

    first = settings.SECRET_KEY
    try:
        assert under("another", [first]) == {key} and suppressions.lost_suppressions() == 0
        assert under("another", []) == set() and suppressions.lost_suppressions() == 1
    finally:
        under(first, [])


def test_all_that_is_kept_is_told_to_who_asks() -> None:
    client = make_client()
    group = make_group(client, "News")
    fill(group, *OTHERS, ZOE)
    sent_campaign(client, group)
    send_all(State.DEFERRED, "4.2.1 busy")
    registry.opt_out_by_link(client, ZOE, "a" * 24)
    told = json.loads(b"".join(exported_person(client, find_person(client, ZOE.lower()))))
    assert told["groups"] == [{"tag": "News", "email": ZOE, "name": "Zoë Quist", "city": "Oslo"}]
    assert told["opted_out"]["source"] == "link" and [c["opted_out"] for c in told["opt_out_changes"]] == [True]
    assert [(r["campaign"], r["disposition"], r["fields"]) for r in told["results"]] == [
        ("Spring", "deferred", {"city": "Oslo"})
    ]
    assert [word["reply"] for word in told["results"][0]["history"]] == ["4.2.1 busy"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("550 <Ann@Example.COM>: no", "550 <[erased]>: no"),
        ("ann@bücher.de and ann@xn--bcher-kva.de", "[erased] and [erased]"),
        ("nobody", "nobody"),
        (
            "joann@example.com, jo.ann@example.com, ann@example.com.au",
            "joann@example.com, jo.ann@example.com, ann@example.com.au",
        ),
        ("name;ann@example.com;Oslo|ann@example.com. 'ann@example.com'", "name;[erased];Oslo|[erased]. '[erased]'"),
    ],
)
def test_an_address_is_taken_out_of_a_text(text: str, left: str) -> None:
    key = "ann@xn--bcher-kva.de" if "cher" in text else "ann@example.com"
    assert without(text, key) == left


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(InvalidField, match="email"):
        ask(make_client(), "zoe", requested_by="")
