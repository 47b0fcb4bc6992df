"""The pages of messages: list, editor, and the preview's frame."""

import pytest

from sendmill.accounts.models import AuditEntry
from sendmill.content.models import Message
from tests.database.campaigns.making import make_campaign, make_group, make_message
from tests.database.delivery.making import fill_group
from tests.database.web.conftest import Tenant, text_of

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script>"


def test_a_message_is_written_changed_and_deleted(acme: Tenant) -> None:
    fields = {"description": f"Hello {SCRIPT}", "email_message": " <p>Hi</p>\n"}
    page = acme.editor.post("/messages/new/", fields, follow=True)
    message = Message.objects.get()
    assert (message.client, message.description, message.email_message) == (acme.client, *fields.values())
    assert SCRIPT.encode() not in page.content
    path = f"/messages/{message.object_id}/"
    acme.editor.post(path, {**fields, "description": "Bye"})
    message.refresh_from_db()
    assert message.description == "Bye"
    campaign = make_campaign(acme.client, message_object_id=message.object_id)
    assert f"({campaign.object_id}) is not finished" in text_of(acme.editor.post(f"{path}delete/", follow=True).content)
    campaign.delete()
    acme.editor.post(f"{path}delete/")
    assert not Message.objects.exists()
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["made a message", "changed a message", "deleted a message"]


def test_errors_stand_at_their_field_with_line_and_reason(acme: Tenant) -> None:
    page = acme.editor.post("/messages/new/", {"description": "Hi", "email_message": "one\n{{ two"})
    assert page.context["form"].errors["email_message"][0].startswith("Line 2:")
    page = acme.editor.post("/messages/new/", {"description": "", "email_message": "x\0"})
    assert set(page.context["form"].errors) == {"description", "email_message"}
    part = acme.viewer.post("/messages/preview/", {"description": "{% if", "email_message": "{{ a.b() }}"})
    assert [error.path[0] for error in part.context["errors"]] == ["description", "email_message"]


def test_the_list_is_searched(acme: Tenant, other: Tenant) -> None:
    make_message(acme.client, SCRIPT)
    make_message(acme.client, "Second")
    make_message(other.client, "Foreign")
    page = acme.viewer.get("/messages/")
    assert [message.description for message in page.context["window"].rows] == ["Second", SCRIPT]
    assert SCRIPT.encode() not in page.content
    assert [m.description for m in acme.viewer.get("/messages/?q=SEC").context["window"].rows] == ["Second"]


def test_the_preview_is_a_contacts_message(acme: Tenant, other: Tenant) -> None:
    group, foreign = make_group(acme.client), make_group(other.client)
    fill_group(group, ["b@example.com", "a@example.com"])
    fill_group(foreign, ["secret@example.com"])
    fields = {
        "description": "Hi {{ name }}",
        "email_message": "<p>{{ city }} {{ email }}</p>",
        "group": group.object_id,
    }
    part = acme.viewer.post("/messages/preview/", fields)
    assert part.context["asked"].recipient.email == "b@example.com"
    assert "Hi Name of b@example.com" in text_of(part.content)
    assert "city" in part.context["variables"]
    frame = acme.viewer.post("/messages/preview/frame/", {**fields, "contact": "A@EX"})
    assert "Köln a@example.com" in frame.content.decode()
    assert "Unsubscribe" in frame.content.decode(), "the footer is part of what is sent"
    second = acme.viewer.post("/messages/preview/", {**fields, "position": "1"})
    assert second.context["asked"].recipient.email == "a@example.com"
    assert second.context["asked"].next_position is None
    missing = acme.viewer.post("/messages/preview/", {**fields, "contact": "zzz"})
    assert missing.context["asked"].recipient.email == "b@example.com"
    assert "no address has that" in text_of(missing.content)
    nobody = acme.viewer.post("/messages/preview/frame/", {**fields, "group": foreign.object_id})
    assert b"[city] anna@example.com" in nobody.content and b"secret" not in nobody.content


def test_the_preview_runs_nothing_and_loads_nothing_unasked(acme: Tenant) -> None:
    fields = {"description": "x", "email_message": f'<img src="https://track.test/1.gif">{SCRIPT}'}
    frame = acme.viewer.post("/messages/preview/frame/", fields)
    policy = frame["Content-Security-Policy"]
    assert policy.startswith("sandbox;") and "script-src" not in policy and "img-src data:;" in policy
    with_images = acme.viewer.post("/messages/preview/frame/", {**fields, "images": "on", "dark": "on"})
    assert "img-src data: https: http:;" in with_images["Content-Security-Policy"]
    assert b"color-scheme:dark" in with_images.content
    text = acme.viewer.post("/messages/preview/frame/", {"description": "x", "email_message": "1 < 2 & alert(1)"})
    assert b"1 &lt; 2" in text.content
    broken = acme.viewer.post("/messages/preview/frame/", {"description": "x", "email_message": f"{{{{ {SCRIPT}"})
    assert SCRIPT.encode() not in broken.content and b"Line 1" in broken.content
