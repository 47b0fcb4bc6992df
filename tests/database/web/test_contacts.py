"""Groups, contacts, uploads and people as pages: what they show, what they change, and what is said when they can't."""

import csv
import io
import re
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as Browser
from django.urls import reverse

from sendmill.accounts.models import AuditEntry, Client
from sendmill.contacts import import_jobs, importer
from sendmill.contacts.models import ContactGroup, Import, ImportKind
from sendmill.optouts.models import OptOut, OptOutChange, Source
from sendmill.people.erasing import Step, take_step
from sendmill.people.models import Erasure
from sendmill.web.pages.contacts import PAGE_CONTACTS
from tests.database.campaigns.making import make_campaign, make_group
from tests.database.contacts.making import csv_file, emails_of
from tests.database.web.conftest import Tenant, text_of

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script>"


def filled(client: Client, *rows: str) -> ContactGroup:
    group = make_group(client, f"News {EVIL}")
    lines = csv_file(f"email,name,{EVIL}", *rows)
    importer.run_import(client, ImportKind.REPLACE, group, lines, email_index=0, name_index=1)
    group.refresh_from_db()
    return group


def page_of(browser: Browser, name: str, query: str = "", **parameters: str) -> str:
    answer = browser.get(reverse(f"web:{name}", kwargs=parameters) + query)
    assert answer.status_code == 200, answer.content
    assert EVIL.encode() not in answer.content
    return text_of(answer.content)


def next_page(html: str) -> str | None:
    """Where "More" leads."""
    found = re.search(r'href="([^"]*)" rel="next"', html)
    return found[1].replace("&amp;", "&") if found else None


def upload(browser: Browser, path: str, content: bytes, **fields: str) -> Import:
    answer = browser.post(path, {"csv_file": SimpleUploadedFile("people.csv", content), **fields})
    assert answer.status_code == 302, text_of(answer.content)
    job = Import.objects.get(object_id=answer["Location"].rstrip("/").rsplit("/", 1)[1])
    with tempfile.TemporaryDirectory() as folder:
        import_jobs.run_job(job.pk, Path(folder), threading.Event())
    job.refresh_from_db()
    return job


def logged() -> list[tuple[str, str]]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", "subject"))


def test_a_group_is_added_renamed_and_deleted_unless_a_campaign_needs_it(acme: Tenant) -> None:
    assert "No group yet" in page_of(acme.editor, "contacts")
    assert "This field is required." in text_of(acme.editor.post("/contacts/add/", {"tag": " "}).content)
    acme.editor.post("/contacts/add/", {"tag": EVIL})
    group = ContactGroup.objects.get()
    acme.editor.post(reverse("web:group-rename", args=[group.object_id]), {"tag": "Readers"})
    assert "Readers" in page_of(acme.viewer, "contacts")
    campaign = make_campaign(acme.client, contact_group_object_id=group.object_id, name="Spring")
    refused = acme.editor.post(reverse("web:group-delete", args=[group.object_id]), follow=True)
    assert "Spring" in text_of(refused.content) and ContactGroup.objects.exists()
    campaign.delete()
    acme.editor.post(reverse("web:group-delete", args=[group.object_id]))
    assert not ContactGroup.objects.exists()
    assert [action for action, _ in logged()] == [
        "added a contact group", "renamed a contact group", "deleted a contact group",
    ]  # fmt: skip


def test_contacts_are_paged_and_found_by_a_part_of_their_address(acme: Tenant) -> None:
    people = [f"person{number:03}@example.com" for number in range(2 * PAGE_CONTACTS + 1)]
    zoe, percent = "Zoë@Bücher.example", "per%son@a.example"
    group = filled(acme.client, *(f"{email},Somebody,x" for email in [*people, zoe, percent]))
    seen: list[str] = []
    url: str | None = reverse("web:group", args=[group.object_id])
    while url:
        html = acme.viewer.get(url).content.decode()
        seen += [email for email in people if f">{email}<" in html]
        url = next_page(html)
    assert seen == people
    for wanted, found in (
        ("PERSON01", people[10:20]),
        ("ZOË@", [zoe]),
        ("@xn--bcher", [zoe]),
        ("er%", [percent]),
        ("per_", []),
        ("RSON01", people[10:20]),
        ("erson@", []),
    ):
        path = f"/contacts/{group.object_id}/?{urlencode({'q': wanted})}"
        part = acme.viewer.get(path, headers={"HX-Request": "true"}).content.decode()
        assert [email for email in [*people, zoe, percent] if f">{email}<" in part] == found, wanted
    assert "Nobody has that in their address" in page_of(acme.viewer, "group", "?q=nobody", group_id=group.object_id)


def test_a_file_is_looked_at_uploaded_and_its_rejects_are_shown(acme: Tenant) -> None:
    group = filled(acme.client, "old@example.com,Old,x")
    content = f"name;mail;{EVIL}\nAnn;ann@example.com;1\n{EVIL};{EVIL};2\n".encode()
    sampled = acme.editor.post("/uploads/sample/", {"sample": SimpleUploadedFile("x", content), "asks_names": "1"})
    assert EVIL.encode() not in sampled.content
    assert "1 of the first 2 rows can't be used" in text_of(sampled.content)
    assert '<option value="1" selected>mail' in sampled.content.decode()
    chosen = {"sample": SimpleUploadedFile("x", content), "email_index": "0"}
    assert '<option value="0" selected>name' in acme.editor.post("/uploads/sample/", chosen).content.decode()
    refused = acme.editor.post("/uploads/sample/", {"sample": SimpleUploadedFile("x", b"PK\x03\x04zip")})
    assert "Save the list as CSV" in text_of(refused.content)

    path = reverse("web:group-upload", args=[group.object_id])
    wrong = acme.editor.post(path, {"action": "update", "csv_file": SimpleUploadedFile("x", b"no address\n")})
    assert "none holds an email address" in text_of(wrong.content)
    checked = upload(acme.editor, path, content, action="replace", dry_run="on")
    assert emails_of(group) == ["old@example.com"]
    assert "The file is checked. Nothing has changed." in page_of(acme.viewer, "import", import_id=checked.object_id)
    done = upload(acme.editor, path, content, action="replace", email_index="1", name_index="0")
    assert emails_of(group) == ["ann@example.com"]
    shown = page_of(acme.viewer, "import", import_id=done.object_id)
    assert "Rows skipped 1" in shown and "&lt;script&gt;" in shown
    answer = acme.viewer.get(reverse("web:import-rejected", args=[done.object_id]))
    rows = list(csv.reader(io.StringIO(b"".join(answer).decode("utf-8-sig"))))  # type: ignore[call-overload]
    assert rows[1][3] == EVIL and len(rows) == 2
    assert [action for action, _ in logged()] == ["replaced a group's contacts from a file"]


def test_an_upload_shows_how_far_it_is(acme: Tenant) -> None:
    group = make_group(acme.client)
    job = import_jobs.add_job(
        acme.client, ImportKind.UPDATE, group, csv_file("email", "a@example.com"), import_jobs.Columns(0, None)
    )
    path = reverse("web:import", args=[job.object_id])
    assert b'hx-trigger="every 1s"' in acme.viewer.get(path).content
    Import.objects.update(state="receiving", file_bytes=200, read_bytes=50, accepted_rows=1234)
    part = acme.viewer.get(path, headers={"HX-Request": "true"}).content
    assert b'value="25"' in part and b"1,234 rows" in part and b"<html" not in part
    Import.objects.update(state="failed", error="The disk is full.")
    assert "Nothing has changed. The disk is full." in page_of(acme.viewer, "import", import_id=job.object_id)


def test_one_contact_is_added_changed_and_taken_out(acme: Tenant) -> None:
    group = filled(acme.client, "ann@example.com,Ann,1")
    add = reverse("web:contact-add", args=[group.object_id])
    assert "@" in text_of(acme.editor.post(add, {"email": "no address", "name": ""}).content)
    acme.editor.post(add, {"email": "Bob@example.com", "name": '=1+1, "Bob"'})
    acme.editor.post(add, {"email": "ANN@example.com", "name": "Annie"})
    assert emails_of(group) == ["ANN@example.com", "Bob@example.com"]
    shown = page_of(acme.viewer, "person", "?email=bob@EXAMPLE.com")
    assert "=1+1, &quot;Bob&quot;" in shown
    acme.editor.post(reverse("web:contact-drop", args=[group.object_id]), {"email": "ann@example.com"})
    assert emails_of(group) == ["Bob@example.com"]


def test_a_persons_page_has_all_that_is_known_and_nothing_of_other_clients(acme: Tenant, other: Tenant) -> None:
    filled(acme.client, f"ann@example.com,{EVIL},{EVIL}")
    filled(other.client, "secret@example.com,Secret,x")
    shown = page_of(acme.viewer, "person", "?email=ANN%40example.com")
    assert "may be mailed" in shown and "&lt;script&gt;" in shown
    assert "in no group" in page_of(acme.viewer, "person", "?email=secret@example.com")
    assert acme.viewer.get("/contacts/person/?email=nobody").status_code == 404
    acme.editor.post("/contacts/person/opt-out/", {"email": "ann@example.com"})
    optout = OptOut.objects.get()
    assert (optout.client, optout.source) == (acme.client, Source.DASHBOARD)
    assert "opted out" in page_of(acme.viewer, "person", "?email=ann@example.com")
    assert "Nothing was sent" in page_of(acme.viewer, "person-sent", "?email=ann@example.com")
    told = b"".join(acme.viewer.get("/contacts/person/export/?email=ann@example.com"))  # type: ignore[arg-type]
    assert b'"source": "dashboard"' in told


def test_a_person_is_erased_and_can_come_back_by_their_own_wish(acme: Tenant) -> None:
    group = filled(acme.client, "ann@example.com,Ann,1", "bob@example.com,Bob,2")
    answer = acme.owner.post("/contacts/person/erase/", {"email": "Ann@example.com"})
    erasure = Erasure.objects.get()
    assert answer["Location"] == reverse("web:erasure", args=[erasure.object_id])
    assert "every 2s" in acme.viewer.get(answer["Location"]).content.decode()
    while take_step(erasure.pk) != Step.FINISHED:
        pass
    assert emails_of(group) == ["bob@example.com"]
    assert "The person is erased." in page_of(acme.viewer, "erasure", erasure_id=erasure.object_id)
    assert "owner@acme.test" in page_of(acme.viewer, "erasures")
    assert "was erased on" in page_of(acme.viewer, "person", "?email=ann@example.com")
    assert not [entry for entry in logged() if "ann" in entry[1].lower()]
    acme.owner.post("/contacts/person/mail-again/", {"email": "ann@example.com"})
    assert "may be mailed" in page_of(acme.viewer, "person", "?email=ann@example.com")


def test_opt_outs_are_listed_searched_added_and_removed_with_a_reason(acme: Tenant, other: Tenant) -> None:
    assert "Nobody has opted out" in page_of(acme.editor, "optouts")
    assert "valid email" in text_of(acme.editor.post("/opt-outs/add/", {"email": "nobody"}).content)
    acme.editor.post("/opt-outs/add/", {"email": "ann@example.com"})
    other.editor.post("/opt-outs/add/", {"email": "secret@example.com"})
    lines = "email\n" + "".join(f"person{number:03}@example.com\n" for number in range(120))
    upload(acme.editor, "/opt-outs/upload/", lines.encode(), action="optout_add")
    assert OptOut.objects.filter(client=acme.client).count() == 121
    first = acme.viewer.get("/opt-outs/").content.decode()
    assert "person119@" in first and "person069@" not in first and "secret@" not in first and "uploaded list" in first
    assert "person069@" in acme.viewer.get(next_page(first) or "").content.decode()
    assert "person011@" in page_of(acme.viewer, "optouts", "?q=Person01")
    assert "ann@" not in page_of(acme.viewer, "optouts", "?q=Person01")

    optout = OptOut.objects.get(email="ann@example.com")
    path = reverse("web:optout-remove", args=[optout.object_id])
    assert "This field is required." in text_of(acme.editor.post(path, {"reason": " "}).content)
    acme.editor.post(path, {"reason": f"She asked. {EVIL}"})
    assert not OptOut.objects.filter(email="ann@example.com").exists()
    change = OptOutChange.objects.get()
    assert (change.changed_by, change.is_opted_out) == ("editor@acme.test", False)
    assert "removed by editor@acme.test: She asked. &lt;script&gt;" in page_of(
        acme.viewer, "person", "?email=ann@example.com"
    )
    upload(acme.editor, "/opt-outs/upload/", lines.encode(), action="optout_delete")
    assert not OptOut.objects.filter(client=acme.client).exists()
