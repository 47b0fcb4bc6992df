"""The pages of campaigns and results, through Django's client."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from sendmill.accounts.models import AuditEntry
from sendmill.campaigns.models import Campaign, Phase, Status
from sendmill.delivery import pruning
from sendmill.delivery.models import DeliveryAttempt, RetryChunk
from sendmill.delivery.states import State
from sendmill.optouts.suppressions import ERASED_ADDRESS
from tests.database.campaigns.making import make_campaign
from tests.database.delivery.making import opt_out
from tests.database.web.conftest import Tenant, text_of
from tests.database.web.making import delivery_numbers, result_ids, sent_campaign

# A pause waits for workers, outside of any transaction.
pytestmark = pytest.mark.django_db(transaction=True)

SCRIPT = "<script>alert(1)</script>"


def test_the_list_is_searched_filtered_and_paged(acme: Tenant, other: Tenant) -> None:
    for number in range(25):
        make_campaign(acme.client, name=f"Spring {number:02}")
    make_campaign(acme.client, name=SCRIPT, status=Status.PAUSED)
    make_campaign(acme.client, name="Gone", status=Status.CANCELLED, phase=Phase.CLOSED)
    make_campaign(other.client, name="Foreign")

    def names(query: str) -> list[str]:
        page = acme.viewer.get(f"/campaigns/{query}")
        assert SCRIPT.encode() not in page.content
        return [row.campaign.name for row in page.context["rows"]]

    first = acme.viewer.get("/campaigns/")
    assert len(names("")) == 20
    older = first.context["window"].older
    assert names("") + names(older) == ["Gone", SCRIPT, *(f"Spring {number:02}" for number in reversed(range(25)))]
    assert names(acme.viewer.get(f"/campaigns/{older}").context["window"].newer) == names("")
    assert names("?q=spring+1") == [f"Spring {number}" for number in range(19, 9, -1)]
    assert names("?state=paused") == [SCRIPT]
    assert names("?state=cancelled&q=gone") == ["Gone"]
    assert names("?before=nonsense") == names("")
    assert "No campaign found" in text_of(acme.viewer.get("/campaigns/?q=nothing").content)
    assert "New campaign" not in text_of(acme.viewer.get("/campaigns/").content)


def test_progress_counts_and_polls_until_it_is_over(acme: Tenant) -> None:
    campaign = sent_campaign(acme.client, [State.DELIVERED] * 7 + [State.FAILED] * 2 + [State.QUEUED])
    path = f"/campaigns/{campaign.object_id}/"
    page = acme.viewer.get(path)
    words = text_of(page.content)
    assert "90 %" in words and "9 of 10 recipients are done" in words
    assert re.search(r"Delivered\s+7\s+70 %", words) and re.search(r"Failed\s+2\s+20 %", words)
    assert b"every 2s" in page.content
    assert "Pause" not in words and "Cancel" not in words, "a viewer can't"
    part = acme.viewer.get(f"{path}progress/?seen=sending", headers={"HX-Request": "true"})
    assert b"<html" not in part.content and b"every 2s" in part.content
    Campaign.objects.filter(pk=campaign.pk).update(status=Status.COMPLETED, phase=Phase.CLOSED)
    assert acme.viewer.get(f"{path}progress/?seen=sending")["HX-Refresh"] == "true"
    assert b"every 2s" not in acme.viewer.get(path).content


def test_pause_resume_and_cancel_leave_their_marks(acme: Tenant) -> None:
    campaign = make_campaign(acme.client, name=SCRIPT)
    path = f"/campaigns/{campaign.object_id}/"

    def press(status: str) -> str:
        page = acme.editor.post(f"{path}status/", {"status": status}, follow=True)
        campaign.refresh_from_db()
        assert SCRIPT.encode() not in page.content
        return text_of(page.content)

    assert "nothing more leaves until you resume" in press("paused")
    assert campaign.status == Status.PAUSED
    assert "It goes on." in press("active")
    assert "is not a valid choice" in press("completed")
    assert campaign.status == Status.ACTIVE
    assert "It was cancelled before it started" in press("cancelled")
    assert campaign.status == Status.CANCELLED
    assert "which is final" in press("active")
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", "subject"))
    assert actions == [(f"{word} a campaign", SCRIPT) for word in ("paused", "resumed", "cancelled")]


def test_failed_recipients_are_retried(acme: Tenant) -> None:
    campaign = sent_campaign(acme.client, [State.DELIVERED, State.FAILED, State.FAILED])
    path = f"/campaigns/{campaign.object_id}/"
    assert "2 mail servers have said no" in text_of(acme.editor.get(path).content)
    assert "2 are sent to once more" in text_of(acme.editor.post(f"{path}retry/", follow=True).content)
    assert RetryChunk.objects.count() == 1
    Campaign.objects.filter(pk=campaign.pk).update(status=Status.CANCELLED)
    assert "final" in text_of(acme.editor.post(f"{path}retry/", follow=True).content)


def test_results_show_the_servers_words_as_text(acme: Tenant) -> None:
    campaign = sent_campaign(
        acme.client, [State.FAILED] * 60, reply_code=550, reply=f"5.1.1 {SCRIPT}", name=SCRIPT, relay="mx.test:25"
    )
    path = f"/campaigns/{campaign.object_id}/results/"
    page = acme.viewer.get(f"{path}?reply=550")
    assert len(page.context["rows"]) == 50
    assert SCRIPT.encode() not in page.content and "550 5.1.1 &lt;script&gt;" in page.content.decode()
    more = acme.viewer.get(path + page.context["next"], headers={"HX-Request": "true"})
    assert len(more.context["rows"]) == 10
    assert more.content.strip().startswith(b"<tr>")
    assert "Nobody in this campaign matches" in text_of(acme.viewer.get(f"{path}?q=nobody").content)
    shown = acme.viewer.get(f"/results/{result_ids(campaign)[0]}/")
    assert SCRIPT.encode() not in shown.content
    words = text_of(shown.content)
    assert "mx.test:25 said" in words and words.count("Failed") == 2, "above all, and where it happened"
    assert "550 5.1.1 &lt;script&gt;" in shown.content.decode()


def test_what_was_deleted_for_its_age_is_said_to_be_gone(acme: Tenant) -> None:
    campaign = sent_campaign(acme.client, [State.DELIVERED] * 3)
    Campaign.objects.filter(pk=campaign.pk).update(status=Status.COMPLETED, phase=Phase.CLOSED)
    assert pruning.delete_next(campaign.pk) == 3
    assert "deleted for its age" in text_of(acme.viewer.get(f"/campaigns/{campaign.object_id}/results/").content)
    (row,) = acme.viewer.get("/campaigns/").context["rows"]
    assert (row.summary.recipients, row.summary.delivered) == (3, 3)


def test_a_recipients_history_says_what_comes_next(acme: Tenant) -> None:
    soon = int((timezone.now() + timedelta(minutes=5)).timestamp() * 1000)
    campaign = sent_campaign(acme.client, [State.DEFERRED], reply_code=451, reply="later", next_attempt_ms=soon)
    opt_out(acme.client, "person0@example.com")
    DeliveryAttempt.objects.create(
        delivery_id=delivery_numbers(campaign)[0], state=State.UNCONFIRMED, attempts=0, recorded_ms=1_000, reply=SCRIPT,
        relay="mx.test:25",
    )  # fmt: skip
    page = acme.viewer.get(f"/results/{result_ids(campaign)[0]}/")
    words = text_of(page.content)
    assert re.search("First tried .* Unconfirmed mx.test:25 said .* Deferred .* 451 later .* Tried again", words)
    assert "The address is opted out" in words and SCRIPT.encode() not in page.content
    assert b'href="/contacts/person/?email=person0%40example.com"' in page.content


def test_a_result_of_who_was_erased_leads_to_nobody(acme: Tenant) -> None:
    campaign = sent_campaign(acme.client, [State.FAILED], email=ERASED_ADDRESS)
    assert b"/contacts/person/" not in acme.viewer.get(f"/results/{result_ids(campaign)[0]}/").content


def test_a_recipients_message_is_isolated(acme: Tenant) -> None:
    campaign = sent_campaign(acme.client, [State.DELIVERED])
    Campaign.objects.filter(pk=campaign.pk).update(
        frozen_body=f'<p>{{{{ city }}}} {SCRIPT}</p><a href="{{{{ unsubscribe_url }}}}">bye</a>'
    )
    frame = acme.viewer.get(f"/results/{result_ids(campaign)[0]}/message/")
    policy = frame["Content-Security-Policy"]
    assert policy.startswith("sandbox;") and "default-src 'none'" in policy and "script-src" not in policy
    assert "img-src data:;" in policy and "frame-ancestors 'self'" in policy
    assert "Köln" in frame.content.decode()
    assert b"/u/preview" in frame.content, "no link by which who looks could unsubscribe the recipient"


def test_all_results_are_exported(acme: Tenant) -> None:
    campaign = sent_campaign(acme.client, [State.DELIVERED, State.FAILED], reply="=cmd()")
    answer = acme.viewer.get(f"/campaigns/{campaign.object_id}/export/")
    lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 3 and "person0@example.com" in lines[1] and ",'=cmd()," in lines[1]
    assert "attachment" in answer["Content-Disposition"]
