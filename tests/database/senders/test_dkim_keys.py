"""DKIM keys: stored encrypted, found by domain."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pytest_django import Settings

from sendmill.commands import dkim
from sendmill.delivery.render import Unsendable, load_campaign_message
from sendmill.delivery.states import State
from sendmill.delivery.transmission import Transmission
from sendmill.errors import Conflict, InvalidField, NotFound
from sendmill.senders.dkim_keys import UnreadableKey, add_key, public_key_record, remove_key, signing_key
from sendmill.senders.models import DkimKey
from tests.database.campaigns.making import make_client
from tests.database.delivery.making import expanded_campaign, started_campaign
from tests.database.delivery.test_queue import claimed

pytestmark = pytest.mark.django_db


def test_a_key_comes_back_as_it_was() -> None:
    added = add_key("Example.ORG.", "News", "ed25519")
    assert (added.domain, added.selector) == ("example.org", "news")
    found = signing_key("example.org", 1)
    assert found is not None
    assert (found.domain, found.selector) == ("example.org", "news")
    assert public_key_record(found.key) == public_key_record(added.key)
    assert isinstance(found.key, Ed25519PrivateKey)


def test_an_rsa_key_has_2048_bits_and_a_selector_of_its_own() -> None:
    added = add_key("example.org")
    assert isinstance(added.key, RSAPrivateKey)
    assert added.key.key_size == 2048
    assert added.selector.startswith("sm20")


def test_no_private_key_lies_in_the_database() -> None:
    key = add_key("example.org", "a", "ed25519").key
    assert isinstance(key, Ed25519PrivateKey)
    secret = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    stored = DkimKey.objects.get().encrypted_key
    assert secret not in base64.b64decode(stored)
    assert "PRIVATE" not in stored


def test_a_key_is_bound_to_its_domain_and_to_the_secret_key(settings: Settings) -> None:
    secret = settings.SECRET_KEY
    add_key("example.org", "a", "ed25519")
    DkimKey.objects.update(domain="example.net")
    with pytest.raises(UnreadableKey, match=r"a\._domainkey\.example\.net"):
        signing_key("example.net", 1)
    DkimKey.objects.update(domain="example.org")
    assert signing_key("example.org", 1) is not None
    settings.SECRET_KEY = "another"
    with pytest.raises(UnreadableKey, match="SENDMILL_SECRET_KEY"):
        signing_key("example.org", 1)
    settings.SECRET_KEY_FALLBACKS = [secret]
    assert signing_key("example.org", 1) is not None


def test_the_nearest_domain_signs_and_its_newest_key() -> None:
    add_key("example.org", "old", "ed25519")
    add_key("example.org", "new", "ed25519")
    add_key("mail.example.org", "mail", "ed25519")

    def selector(domain: str) -> str | None:
        found = signing_key(domain, 1)
        return None if found is None else found.selector

    assert selector("example.org") == "new"
    assert selector("news.example.org") == "new"
    assert selector("a.mail.example.org") == "mail"
    assert selector("org") is None
    assert selector("myexample.org") is None
    assert selector("example.net") is None


def test_an_international_domain_is_found_as_a_labels() -> None:
    assert add_key("Bücher.example", "a", "ed25519").domain == "xn--bcher-kva.example"


@pytest.mark.parametrize("domain", ["", "localhost", "a b.example", "@example.org", "x" * 300 + ".example", "-.de"])
def test_what_is_no_domain_is_refused(domain: str) -> None:
    with pytest.raises(InvalidField):
        add_key(domain)


@pytest.mark.parametrize("selector", ["", "a b", "-a", "ä", "x" * 64, "a;p=1"])
def test_what_is_no_selector_is_refused(selector: str) -> None:
    with pytest.raises(InvalidField):
        add_key("example.org", selector)


def test_the_same_selector_twice_and_one_that_is_not_there() -> None:
    add_key("example.org", "a", "ed25519")
    with pytest.raises(Conflict, match="selector a already"):
        add_key("example.org", "A", "ed25519")
    remove_key("example.org", "a")
    with pytest.raises(NotFound):
        remove_key("example.org", "a")


def test_mail_is_not_sent_unsigned_when_its_key_cannot_be_read(settings: Settings) -> None:
    campaign = expanded_campaign(1)
    add_key(campaign.frozen_sender.rpartition("@")[2], "a", "ed25519")
    row = claimed().rows[0]
    signed = load_campaign_message(campaign.pk, ()).transmission(row)
    assert isinstance(signed, Transmission)
    assert signed.content.startswith(b"DKIM-Signature: v=1; a=ed25519-sha256;")
    settings.SECRET_KEY = "another"
    problem = load_campaign_message(campaign.pk, ()).transmission(row)
    assert isinstance(problem, Unsendable)
    assert problem.state is State.FAILED
    assert "SENDMILL_SECRET_KEY" in problem.reason


def test_a_clients_key_signs_nobody_elses_mail() -> None:
    owner, other = make_client("owner"), make_client("other")
    add_key("example.org", "everybody", "ed25519")
    add_key("example.org", "own", "ed25519", owner)
    signs = [signing_key("example.org", client.pk) for client in (owner, other)]
    assert [key.selector for key in signs if key] == ["own", "everybody"]
    remove_key("example.org", "everybody")
    assert signing_key("news.example.org", other.pk) is None


def test_a_key_that_cannot_be_read_does_not_hide_the_others(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    add_key("a.example", "a", "ed25519")
    assert dkim.show_all(as_json=False) == 0
    assert "; signs the mail of everybody\na._domainkey.a.example. IN TXT" in capsys.readouterr().out
    settings.SECRET_KEY = "another"
    add_key("b.example", "b", "ed25519", make_client())
    assert dkim.show_all(as_json=True) == 1
    unreadable, readable = json.loads(capsys.readouterr().out)
    assert "SENDMILL_SECRET_KEY" in unreadable["error"] and unreadable["value"] is None
    assert readable["value"].startswith("v=DKIM1") and readable["error"] is None and readable["client_id"]


def test_without_a_key_nothing_is_signed() -> None:
    campaign = started_campaign(["bob@example.com"])
    assert load_campaign_message(campaign.pk, ()).signer is None
