"""`/email/contact/export/`, `/email/result/export/` and `sendmill export`."""

import csv
import gzip
import io
import json
from typing import Any

import pytest

from sendmill.accounts.models import Client
from sendmill.contacts.models import ContactGroup
from sendmill.delivery import queue
from sendmill.delivery.clock import now_ms
from sendmill.delivery.models import Delivery
from sendmill.delivery.recording import Attempt
from sendmill.delivery.states import State
from sendmill.results.export import COLUMNS
from tests.database.api.conftest import Answer, Program, Tenant
from tests.database.campaigns.making import make_group
from tests.database.contacts.making import fill
from tests.database.delivery.making import LEASE_MS, expanded_campaign

pytestmark = pytest.mark.django_db

CONTACTS, RESULTS = "/email/contact/export/", "/email/result/export/"
ALWAYS = {"start_date": "2000-01-01", "end_date": "2100-01-01"}


def table(answer: Answer) -> list[list[str]]:
    text = answer.body.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


def group_of(client: Client, *contacts: tuple[str, str, str]) -> ContactGroup:
    group = make_group(client)
    fill(group, [(email, name, json.loads(fields)) for email, name, fields in contacts])
    return group


def test_every_column_of_every_contact_has_its_heading(acme: Tenant) -> None:
    group = group_of(
        acme.client,
        ("ann@example.com", "Ann", '{"city":"Köln","plan":"a,b"}'),
        ("bob@example.com", "", "{}"),
        ("cy@example.com", 'Cy "C"', '{"zip":"1\\n2","city":"Bern"}'),
    )
    answer = acme.api.get(CONTACTS, _id=group.object_id).expect(200)
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="contacts-{group.object_id}.csv"'
    assert table(answer) == [
        ["name", "email", "city", "plan", "zip"],
        ["Ann", "ann@example.com", "Köln", "a,b", ""],
        ["", "bob@example.com", "", "", ""],
        ['Cy "C"', "cy@example.com", "Bern", "", "1\n2"],
    ]


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1"]


@pytest.mark.parametrize("formula", FORMULAS)
def test_what_a_spreadsheet_would_run_is_harmless_unless_it_is_asked_for_raw(acme: Tenant, formula: str) -> None:
    group = group_of(acme.client, ("ann@example.com", formula, "{}"))
    assert table(acme.api.get(CONTACTS, _id=group.object_id))[1][0] == f"'{formula}"
    assert table(acme.api.get(CONTACTS, _id=group.object_id, raw="true"))[1][0] == formula
    acme.api.get(CONTACTS, _id=group.object_id, raw="maybe").expect(400)


def test_an_empty_group_is_a_line_of_headings(acme: Tenant) -> None:
    assert table(acme.api.get(CONTACTS, _id=group_of(acme.client).object_id)) == [["name", "email"]]


def test_it_is_compressed_for_who_takes_that(acme: Tenant) -> None:
    group = group_of(acme.client, *[(f"p{n}@example.com", "P", '{"a":"b"}') for n in range(5_000)])
    plain = acme.api.get(CONTACTS, _id=group.object_id).expect(200)
    packed = acme.api.send("GET", f"{CONTACTS}?_id={group.object_id}", HTTP_ACCEPT_ENCODING="br, gzip").expect(200)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in plain.headers["Vary"] and "Accept-Encoding" in packed.headers["Vary"]
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 3
    head = acme.api.send("HEAD", f"{CONTACTS}?_id={group.object_id}", HTTP_ACCEPT_ENCODING="gzip").expect(200)
    assert head.body == b""


def sent_campaign(tenant: Tenant) -> list[str]:
    """Two recipients, one delivered and one refused; their addresses."""
    expanded_campaign(2, client=tenant.client)
    claim = queue.claim("aaaaaaaaaaaa:1:1", now_ms(), LEASE_MS)
    assert claim is not None
    queue.exchange({claim.chunk_id: claim}, [], [], claim.rows, now_ms())
    first, second = claim.rows
    attempts = [
        Attempt(first.id, State.DELIVERED, 1, now_ms(), None, 250, "2.0.0 Ok", "relay:25"),
        Attempt(second.id, State.FAILED, 2, now_ms(), None, 550, "=5.1.1 unknown", "relay:25"),
    ]
    queue.exchange({claim.chunk_id: claim}, attempts, [], [], now_ms())
    return [first.email, second.email]


def as_dicts(answer: Answer) -> list[dict[str, str]]:
    heading, *rows = table(answer)
    return [dict(zip(heading, row, strict=True)) for row in rows]


def test_results_have_the_servers_own_words_and_the_contacts_columns(acme: Tenant) -> None:
    emails = sent_campaign(acme)
    found = as_dicts(acme.api.get(RESULTS, **ALWAYS).expect(200))
    shown = acme.api.get("/email/result/filter/", **ALWAYS).json
    assert [row["email"] for row in found] == emails
    for row, result in zip(found, shown, strict=True):
        assert row["result_id"] == result["$_id"]["$oid"]
        assert row["campaign_id"] == result["campaign_id"]["$oid"]
        assert row["campaign_name"] == result["campaign_name"]
        assert row["email_from"] == result["email_from_id"]
        for key in ("disposition", "status", "start_date", "modified_on"):
            assert row[key] == result[key]
        assert row["city"] == "Köln"
    assert [(row["disposition"], row["attempts"], row["reply_code"], row["reply"]) for row in found] == [
        ("delivered", "1", "250", "2.0.0 Ok"),
        ("failed", "2", "550", "'=5.1.1 unknown"),
    ]


def test_a_contacts_column_does_not_take_the_place_of_a_results(acme: Tenant) -> None:
    sent_campaign(acme)
    Delivery.objects.update(fields='{"status":"gold","plan":"x"}')
    [first, _] = as_dicts(acme.api.get(RESULTS, **ALWAYS))
    assert (first["status"], first["contact_status"], first["plan"]) == ("completed", "gold", "x")


@pytest.mark.parametrize(
    "query",
    [{"campaign_id": "0" * 24}, {"campaign_id": "nonsense"}, {"start_date": "2100-01-01", "end_date": "2000-01-01"}],
)
def test_no_results_are_a_line_of_headings(acme: Tenant, query: dict[str, str]) -> None:
    sent_campaign(acme)
    assert table(acme.api.get(RESULTS, **{**ALWAYS, **query}).expect(200)) == [list(COLUMNS)]


def test_nothing_of_another_client(acme: Tenant, other: Tenant) -> None:
    sent_campaign(acme)
    group = group_of(acme.client, ("ann@example.com", "Ann", "{}"))
    assert as_dicts(other.api.get(RESULTS, **ALWAYS)) == []
    assert other.api.get(CONTACTS, _id=group.object_id).status == 404


def test_what_is_missing_or_wrong_is_told(api: Program) -> None:
    assert api.get(CONTACTS).status == 400
    assert api.get(RESULTS).expect(400).json.keys() == {"start_date", "end_date"}
    assert Program(None).get(RESULTS, **ALWAYS).status == 401


def test_the_command_writes_the_same(acme: Tenant, capfdbinary: Any) -> None:
    from sendmill.commands import export

    emails = sent_campaign(acme)
    group = group_of(acme.client, ("ann@example.com", "=Ann", "{}"))
    assert export.export_contacts(acme.client.object_id, group.object_id, raw=True) == 0
    assert capfdbinary.readouterr().out == acme.api.get(CONTACTS, _id=group.object_id, raw="1").body
    assert export.export_results(acme.client.object_id, *ALWAYS.values(), None, raw=False) == 0
    out = capfdbinary.readouterr().out
    assert out == acme.api.get(RESULTS, **ALWAYS).body
    assert all(email.encode() in out for email in emails)
