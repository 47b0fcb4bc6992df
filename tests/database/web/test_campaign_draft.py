"""Making a campaign step by step: what is kept, what is refused where, and what comes of it."""

import functools
import html
import io
import re
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from sendmill.accounts.models import AuditEntry
from sendmill.campaigns import drafts
from sendmill.campaigns.models import Campaign, CampaignDraft
from sendmill.contacts import import_jobs
from sendmill.contacts.models import ContactGroup, Import, ImportKind, ImportPiece, ImportState
from sendmill.content.models import Message
from sendmill.optouts.suppressions import suppress
from sendmill.people import erasing
from sendmill.web.pages import draft_check
from tests.database.campaigns.making import make_group, make_message, make_sender
from tests.database.contacts.making import contacts_in, contacts_of
from tests.database.delivery.making import addresses, fill_group, opt_out
from tests.database.web.conftest import Tenant, text_of
from tests.dns_server import dns_server

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPT = "<script>alert(1)</script>"
NEW = "/campaigns/new/"
CSV = f"""Name,Backup,Email,{SCRIPT}
Ann,a@old.test,ann@example.com,x
Bob,b@old.test,bob@example.com,{SCRIPT}
,,no,
"""


def read_lists(folder: Path) -> None:
    """What the scheduler does."""
    for number in import_jobs.unfinished_jobs():
        import_jobs.run_job(number, folder, threading.Event())


def upload(acme: Tenant, text: str = CSV) -> str:
    file = io.BytesIO(text.encode())
    file.name = "people.csv"
    return text_of(acme.editor.post(f"{NEW}people/", {"csv_file": file}, follow=True).content)


def schedule(acme: Tenant, **changes: str) -> dict[str, str]:
    sender = make_sender(acme.client).object_id
    usual = {"name": SCRIPT, "sender_id": sender, "start_date": "2999-03-01", "start_time": "09:30"}
    return {**usual, "timezone": "America/New_York", **changes}


def test_from_an_uploaded_list_to_a_campaign(acme: Tenant, tmp_path: Path) -> None:
    assert acme.editor.get(NEW)["Location"] == f"{NEW}message/"
    page = acme.editor.post(f"{NEW}message/", {"description": f"Hi {SCRIPT}", "email_message": "<p>{{ nothing }}</p>"})
    assert page["Location"] == f"{NEW}people/"
    assert "Reading the list" in upload(acme)
    shown = acme.editor.get(f"{NEW}people/")
    assert SCRIPT.encode() not in shown.content
    read_lists(tmp_path)
    words = text_of(acme.editor.get(f"{NEW}people/reading/").content)
    assert "2 contacts" in words and "1 row was left out" in words
    lines = b"".join(acme.editor.get(f"{NEW}people/rejected/").streaming_content).decode()  # type: ignore[attr-defined]
    assert "4,Email,no," in lines

    # The mapping is corrected: the file is read once more, and not uploaded once more.
    acme.editor.post(f"{NEW}people/columns/", {"email_index": "1", "name_index": ""})
    assert Import.objects.get().state == ImportState.WAITING
    assert acme.editor.get(NEW)["Location"] == f"{NEW}people/", "not before it is read"
    read_lists(tmp_path)
    staged = contacts_in(Import.objects.get().staging_set_id or 0)
    assert [email for email, _, _ in staged] == ["a@old.test", "b@old.test"]
    acme.editor.post(f"{NEW}people/columns/", {"email_index": "2", "name_index": "0"})
    read_lists(tmp_path)

    assert acme.editor.get(NEW)["Location"] == f"{NEW}schedule/"
    acme.editor.post(f"{NEW}schedule/", schedule(acme))
    check = acme.editor.get(f"{NEW}check/")
    assert SCRIPT.encode() not in check.content
    words = text_of(check.content)
    assert "no column for {{ nothing }}" in words and "1 Mar 2999, 14:30" in words
    assert "1 row is left out" in words
    assert "09:30 America/New_York" in words
    opt_out(acme.client, "BOB@example.com")
    assert "1 person gets it" in text_of(acme.editor.get(f"{NEW}check/audience/").content)

    made = acme.editor.post(f"{NEW}check/", {"start": "scheduled"}, follow=True)
    campaign = Campaign.objects.get()
    assert made.redirect_chain[-1][0] == f"/campaigns/{campaign.object_id}/"
    assert (campaign.name, campaign.start_wall_clock, campaign.timezone) == (
        SCRIPT,
        "2999-03-01 09:30",
        "America/New_York",
    )
    group = ContactGroup.objects.get(object_id=campaign.contact_group_object_id)
    people = [(name, email) for email, name, _ in contacts_of(group)]
    assert people == [("Ann", "ann@example.com"), ("Bob", "bob@example.com")]
    assert Message.objects.get().email_message == "<p>{{ nothing }}</p>"
    record = Import.objects.get()
    assert (record.state, record.kind, record.group) == (ImportState.DONE, ImportKind.REPLACE, group)
    assert not CampaignDraft.objects.exists()
    read_lists(tmp_path)
    assert not ImportPiece.objects.exists(), "the file goes with the draft"
    assert AuditEntry.objects.get().action == "scheduled a campaign"


def test_a_long_list_is_counted_part_by_part(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    group, shorter = make_group(acme.client), make_group(acme.client, "Shorter")
    fill_group(group, addresses(2_500))
    fill_group(shorter, ["ann@example.com"])
    suppress(acme.client, "person2@example.com")
    opt_out(acme.client, "person2400@example.com")
    acme.editor.post(f"{NEW}people/", {"use": group.object_id})
    monkeypatch.setattr(draft_check, "count_barred", functools.partial(draft_check.count_barred, seconds=0))

    def part(path: str) -> tuple[str, str]:
        """What it says, and where to go on."""
        answer = acme.editor.get(path, headers={"HX-Request": "true"}).content.decode()
        following = re.search(r'hx-get="([^"]+)" hx-trigger="load" hx-swap="outerHTML"', answer)
        return text_of(answer.encode()), html.unescape(following[1]) if following else ""

    words, following = part(f"{NEW}check/audience/")
    assert "1,000 of the 2,500 in the list" in words
    words, following = part(following)
    assert "2,000 of the 2,500 in the list" in words
    assert "2,498 people get it" in part(following)[0]
    assert "2 of the 2,500 in the list have opted out and get nothing." in part(following)[0]
    acme.editor.post(f"{NEW}people/", {"use": shorter.object_id})
    assert part(following) == ("1 person gets it Nobody in the list has opted out.", ""), "of another list"


def test_saved_parts_and_a_start_at_once(acme: Tenant) -> None:
    group, message = make_group(acme.client), make_message(acme.client)
    fill_group(group, ["ann@example.com"])
    acme.editor.post(f"{NEW}message/", {"use": message.object_id})
    acme.editor.post(f"{NEW}people/", {"use": group.object_id})
    acme.editor.post(f"{NEW}schedule/", schedule(acme, start_date="", start_time=""))
    page = acme.editor.get(f"{NEW}check/")
    assert b'value="scheduled"' not in page.content
    acme.editor.post(f"{NEW}check/", {"start": "now"})
    campaign = Campaign.objects.get()
    assert campaign.message_object_id == message.object_id
    assert campaign.contact_group_object_id == group.object_id
    assert timedelta(0) <= timezone.now() - campaign.starts_at < timedelta(minutes=2)


def test_a_second_click_while_the_campaign_is_being_made_makes_no_second_one(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, message = make_group(acme.client), make_message(acme.client)
    fill_group(group, ["ann@example.com"])
    acme.editor.post(f"{NEW}message/", {"use": message.object_id})
    acme.editor.post(f"{NEW}people/", {"use": group.object_id})
    acme.editor.post(f"{NEW}schedule/", schedule(acme))
    create = drafts.create_campaign
    answers: list[int] = []

    def click() -> None:
        answers.append(acme.editor.post(f"{NEW}check/", {"start": "now"}).status_code)
        connection.close()

    second = threading.Thread(target=click)

    def clicked_again(*args: Any, **others: Any) -> Any:
        if second.ident is None:
            second.start()
            second.join(0.5)  # it ends by then unless it waits for the first
        return create(*args, **others)

    monkeypatch.setattr(drafts, "create_campaign", clicked_again)
    click()
    second.join()
    assert sorted(answers) == [302, 409]
    assert Campaign.objects.count() == 1
    assert not CampaignDraft.objects.exists()


def test_what_is_wrong_stands_at_its_step(acme: Tenant, other: Tenant, tmp_path: Path) -> None:
    foreign = make_message(other.client)
    assert acme.editor.post(f"{NEW}message/", {"use": foreign.object_id}).status_code == 404
    assert acme.editor.post(f"{NEW}people/", {"use": make_group(other.client).object_id}).status_code == 404
    page = acme.editor.post(f"{NEW}message/", {"description": "{{ x", "email_message": "y"})
    assert page.context["form"].errors["description"][0].startswith("Line 1:")
    assert "none holds an email address" in upload(acme, "a,b\r\n1,2\r\n")
    assert "The submitted file is empty" in upload(acme, "")
    assert "No file was submitted" in text_of(acme.editor.post(f"{NEW}people/").content)
    assert not Import.objects.exists()
    form = acme.editor.post(f"{NEW}schedule/", schedule(acme, start_time="", name="")).context["form"]
    assert set(form.errors) == {"name"}
    form = acme.editor.post(f"{NEW}schedule/", schedule(acme, start_time="")).context["form"]
    assert set(form.errors) == {"start_time"}
    form = acme.editor.post(f"{NEW}schedule/", schedule(acme, timezone="Mars/Base")).context["form"]
    assert set(form.errors) == {"timezone"}
    assert acme.editor.get(f"{NEW}check/")["Location"] == f"{NEW}message/"


def test_what_a_time_means_is_said(acme: Tenant) -> None:
    acme.editor.cookies["timezone"] = "Europe/Berlin"

    def meaning(day: str, clock: str, zone: str) -> str:
        query = {"start_date": day, "start_time": clock, "timezone": zone}
        return text_of(acme.editor.get(f"{NEW}schedule/meaning/", query).content)

    assert "1 Jul 2999, 15:00 (09:00 America/New_York)" in meaning("2999-07-01", "09:00", "America/New_York")
    assert "would start at once" in meaning("2001-07-01", "09:00", "UTC")
    assert "it starts 03:30 by them" in meaning("2027-03-28", "02:30", "Europe/Berlin")
    assert "it starts the first time" in meaning("2027-10-31", "02:30", "Europe/Berlin")
    assert meaning("", "", "UTC") == meaning("2999-07-01", "09:00", SCRIPT) == ""


def test_drafts_are_each_persons_own_and_forgotten_with_their_list(acme: Tenant, tmp_path: Path) -> None:
    upload(acme)
    read_lists(tmp_path)
    assert b"2 contacts" in acme.editor.get(f"{NEW}people/").content
    assert b"people.csv" not in acme.owner.get(f"{NEW}people/").content
    staged = Import.objects.get().staging_set
    CampaignDraft.objects.update(modified_on=timezone.now() - drafts.KEPT - timedelta(hours=1))
    assert drafts.has_old_drafts()
    assert drafts.discard_old_drafts() is False
    assert not CampaignDraft.objects.exists() and not Import.objects.exists() and not ImportPiece.objects.exists()
    assert staged is not None
    staged.refresh_from_db()
    assert staged.retired_on is not None
    upload(acme)
    assert "The draft is gone" in text_of(acme.editor.post(f"{NEW}discard/", follow=True).content)
    assert not Import.objects.exists()


def test_who_is_erased_is_in_no_draft_any_more(acme: Tenant, tmp_path: Path) -> None:
    upload(acme)
    read_lists(tmp_path)
    erasure = erasing.ask(acme.client, "Ann@example.com", requested_by="")
    while erasing.take_step(erasure.pk) == erasing.Step.MORE:
        pass
    page = acme.editor.get(f"{NEW}people/").content
    assert b"Go on with this list" in page and b"ann@" not in page and b"a@old.test" not in page
    assert [email for email, _, _ in contacts_in(Import.objects.get().staging_set_id or 0)] == ["bob@example.com"]
    refused = acme.editor.post(f"{NEW}people/columns/", {"email_index": "1", "name_index": "0"})
    assert refused.status_code == 409 and "upload it again" in text_of(refused.content)


def test_a_test_goes_to_the_user_alone_and_is_what_the_campaign_sends(acme: Tenant, tmp_path: Path) -> None:
    group = make_group(acme.client)
    fill_group(group, ["ann@example.com"])
    acme.editor.post(f"{NEW}message/", {"description": "Hi {{ name }}", "email_message": "Is {{ city }} fine?"})
    acme.editor.post(f"{NEW}people/", {"use": group.object_id})
    acme.editor.post(f"{NEW}schedule/", schedule(acme))
    with override_settings(SENDMILL_DATA=tmp_path, SENDMILL_SMTP_URL="outbox:"):
        page = acme.editor.post(f"{NEW}test/", follow=True)
    assert "The test is on its way to editor@acme.test" in text_of(page.content)
    (mail,) = (tmp_path / "outbox" / "new").iterdir()
    text = mail.read_text()
    assert "Delivered-To: editor@acme.test" in text and "Hi Name of ann@example.com" in text
    assert "List-Unsubscribe: <" in text and "/u/preview" not in text
    with override_settings(SENDMILL_DATA=tmp_path, SENDMILL_SMTP_URL="smtp://127.0.0.1:1?tls=none"):
        page = acme.editor.post(f"{NEW}test/", follow=True)
    assert "did not get through" in text_of(page.content) and "connect: " in text_of(page.content)


def test_dns_of_the_senders_domain_is_checked(acme: Tenant) -> None:
    acme.editor.post(f"{NEW}schedule/", schedule(acme))
    with (
        dns_server({("example.com", "TXT"): ['"v=spf1 +all"']}) as server,
        override_settings(SENDMILL_DNS_SERVERS=(server.address,), SENDMILL_SMTP_URL="outbox:"),
    ):
        answer = acme.editor.get(f"{NEW}check/dns/").content
    words = text_of(answer)
    assert "SPF of example.com" in words and "allows the whole world" in words and "DMARC" in words
    assert b"(<code>+all</code>)" in answer and b"`" not in answer
    assert "it has no DKIM key. Make one on the domain’s page" in words
