"""Senders as pages: addresses, what DNS says of their domains (asked of a real server), and keys."""

import pytest
from django.urls import reverse
from pytest_django.fixtures import Settings

from sendmill.accounts.models import AuditEntry
from sendmill.senders import dkim_keys
from sendmill.senders.models import DkimKey, Sender
from tests.database.campaigns.making import make_campaign, make_sender
from tests.database.web.conftest import Tenant, text_of
from tests.dns_server import dns_server

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script>"


def test_a_sender_is_added_changed_and_deleted_unless_a_campaign_needs_it(acme: Tenant) -> None:
    assert "No sender yet" in text_of(acme.editor.get("/senders/").content)
    wrong = acme.editor.post("/senders/add/", {"email": "news@", "description": "News"})
    assert "valid email" in text_of(wrong.content)
    added = acme.editor.post("/senders/add/", {"email": "news@Acme.test", "description": EVIL})
    assert added["Location"] == "/senders/domains/acme.test/"
    sender = Sender.objects.get()
    page = acme.viewer.get("/senders/").content
    assert b"news@Acme.test" in page and EVIL.encode() not in page
    edit = reverse("web:sender", args=[sender.object_id])
    acme.editor.post(edit, {"email": "hello@acme.test", "description": "Hello"})
    campaign = make_campaign(acme.client, sender_object_id=sender.object_id, name="Spring")
    delete = reverse("web:sender-delete", args=[sender.object_id])
    assert "Spring" in text_of(acme.editor.post(delete, follow=True).content) and Sender.objects.exists()
    campaign.delete()
    acme.editor.post(delete)
    assert not Sender.objects.exists()
    assert list(AuditEntry.objects.order_by("pk").values_list("subject", flat=True)) == [
        "news@Acme.test", "hello@acme.test", "hello@acme.test",
    ]  # fmt: skip


def test_a_domain_shows_what_dns_says_and_what_to_add(acme: Tenant, settings: Settings) -> None:
    make_sender(acme.client, "news@acme.test")
    key = dkim_keys.add_key("acme.test", "sm1", "ed25519", acme.client)
    zone = {
        ("acme.test", "TXT"): [f'"v=spf1 +all {EVIL}"'],
        ("acme.test", "MX"): ["10 mail.acme.test."],
        ("mail.acme.test", "A"): ["192.0.2.1"],
        ("sm1._domainkey.acme.test", "TXT"): [f'"{dkim_keys.public_key_record(key.key)}"'],
    }
    with dns_server(zone) as server:
        settings.SENDMILL_DNS_SERVERS = (server.address,)
        answer = acme.viewer.get("/senders/domains/acme.test/records/", headers={"HX-Request": "true"})
    shown = text_of(answer.content)
    assert EVIL.encode() not in answer.content and b"<html" not in answer.content
    assert "DKIM good" in shown and "MX good" in shown and "SPF wrong" in shown
    assert "DMARC missing" in shown and "v=DMARC1; p=none; rua=mailto:dmarc-reports@acme.test" in shown
    assert "is ready to send" not in shown


def test_keys_are_made_and_removed_by_owners_for_their_own_domains(acme: Tenant, other: Tenant) -> None:
    make_sender(acme.client, "news@acme.test")
    dkim_keys.add_key("acme.test", "all", "ed25519")
    dkim_keys.add_key("acme.test", "theirs", "ed25519", other.client)
    add = "/senders/domains/acme.test/keys/"
    taken = acme.owner.post(add, {"algorithm": "ed25519", "selector": "theirs"})
    assert "Choose another one." in text_of(taken.content)
    assert acme.owner.post(add, {"algorithm": "ed25519", "selector": "own"}).status_code == 302
    assert acme.owner.post("/senders/domains/elsewhere.test/keys/", {"algorithm": "rsa"}).status_code == 404
    page = acme.viewer.get("/senders/domains/acme.test/").content.decode()
    assert "<code>own</code>" in page and "<code>all</code>" in page and "theirs" not in page
    for selector, status in (("all", 404), ("theirs", 404), ("own", 302)):
        assert acme.owner.post(f"{add}{selector}/delete/").status_code == status
    assert sorted(DkimKey.objects.values_list("selector", flat=True)) == ["all", "theirs"]
