"""DKIM: what we sign is verified by others, dkimpy and Debian's opendkim, and nothing else is."""

import base64
import shutil
import subprocess
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import given, settings

from sendmill.content.compile import Recipient, compile_message
from sendmill.delivery.dkim import PrivateKey, Signer
from sendmill.senders.dkim_keys import public_key_record
from tests.components import needs
from tests.unit.content.texts import ANY_TEXT, without_tags

DOMAIN, SELECTOR = "example.org", "sm1"
RSA_KEY = generate_private_key(public_exponent=65537, key_size=2048)
ED25519_KEY = Ed25519PrivateKey.generate()
KEYS: dict[str, PrivateKey] = {"rsa": RSA_KEY, "ed25519": ED25519_KEY}
LIST_HEADERS = (
    b"List-Id: Die M=?utf-8?b?w7xobGU=?= <news.example.org>\r\n"
    b"List-Unsubscribe: <https://news.example.org/u/1>,\r\n <mailto:u@example.org>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
)
CORPUS = {
    "plain": ("Hello", "Hello {{ name }}", "Bob", "bob@example.com"),
    "html": ("Hi {{ name }}", "<p>Grüße, {{ name }}</p>\n", "Zoë Ångström", "zoe@example.com"),
    "indented html": ("Hi", "<table>\n    <tr>\t<td>  {{ name }}  </td>\n\n    </tr></table>", "A  B", "a@example.com"),
    "Chinese": (
        "{{ name }}，您好",
        "<p>{{ name }}，这是一封信。" + "很长的一行" * 300 + "</p>",
        "王小明",
        "w@example.com",
    ),
    "Arabic": ("مرحبا {{ name }}", "مرحبا {{ name }} 123", "محمد", "m@example.com"),
    "emoji": ("🎉 {{ name }} 👩‍👩‍👧‍👦", "👩🏽‍🚀 {{ name }}", "🦊" * 40, "e@example.com"),
    "international address": ("Hi", "Hello {{ name }}", "Jürg", "jürg@bücher.example"),
    "long subject": ("word " * 400 + "{{ name }}", "x", "n" * 300, "l@example.com"),
    "long line": ("Hi", "y" * 5_000 + " {{ name }}", "Bob", "b@example.com"),
    "empty lines at the end": ("Hi", "text\n\n\n\n\n", "Bob", "b@example.com"),
    "spaces at the ends of lines": ("  Hi  ", "one  \ntwo\t\n \n \t\n", "  Bob  ", "b@example.com"),
    "dots and froms": ("Hi", ".\n..\nFrom me\n.", "Bob", "b@example.com"),
    "empty": ("", "", "", "b@example.com"),
    "encoded-words in values": ("{{ name }}", "{{ name }}", "=?utf-8?q?=0D=0ABcc:_x@y.example?=", "b@example.com"),
    "64 KB": ("Hi", "<p>Grüße an {{ name }}.</p>\n" * 2_000, "Jürg", "b@example.com"),
}


def compiled(name: str) -> bytes:
    subject, body, person, address = CORPUS[name]
    message = compile_message(subject, body, "news@example.org")
    recipient = Recipient(person, address, {})
    return message.render(recipient, "1@example.org", "Mon, 23 Nov 2026 12:00:00 +0000", headers=LIST_HEADERS)


def signed(message: bytes, key: PrivateKey = RSA_KEY) -> bytes:
    return Signer(DOMAIN, SELECTOR, key).sign(message) + message


def is_verified(message: bytes, key: PrivateKey = RSA_KEY) -> bool:
    """Whether dkimpy finds the first signature good."""

    def record(name: bytes, timeout: int = 5) -> bytes:
        assert name == f"{SELECTOR}._domainkey.{DOMAIN}.".encode()
        return public_key_record(key).encode()

    return bool(dkim.verify(message, dnsfunc=record))


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("name", CORPUS)
def test_dkimpy_verifies(name: str, algorithm: str) -> None:
    key = KEYS[algorithm]
    message = signed(compiled(name), key)
    assert is_verified(message, key)
    for line in message.partition(b"\r\nFrom:")[0].split(b"\r\n"):
        assert len(line) <= 76
        assert line.isascii()


@pytest.mark.parametrize("name", CORPUS)
def test_opendkim_verifies(name: str, tmp_path: Path) -> None:
    """With RSA: Debian's opendkim is built without Ed25519."""
    needs(shutil.which("opendkim"), "Debian's opendkim")
    good = signed(compiled(name))
    assert "succeeded" in opendkim(good, tmp_path)
    assert "failed" in opendkim(good.replace(b"Date: Mon", b"Date: Tue"), tmp_path)


def opendkim(message: bytes, folder: Path) -> str:
    """What opendkim in its test mode says of a message."""
    (folder / "keys").write_text(f"{SELECTOR}._domainkey.{DOMAIN} {public_key_record(RSA_KEY)}\n")
    (folder / "configuration").write_text(f"Mode v\nTestPublicKeys {folder}/keys\n")
    (folder / "message").write_bytes(message)
    command = ["opendkim", "-x", str(folder / "configuration"), "-t", str(folder / "message"), "-v"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout


@settings(max_examples=60, deadline=None)
@given(ANY_TEXT.map(without_tags), ANY_TEXT, ANY_TEXT)
def test_any_message_is_verified(body: str, name: str, value: str) -> None:
    message = compile_message("{{ city }}", body + "{{ name }} {{ city }}", "news@example.org")
    recipient = Recipient(name[:5000], "bob@example.com", {"city": value[:5000]})
    octets = message.render(recipient, "1@example.org", "Mon, 23 Nov 2026 12:00:00 +0000")
    assert is_verified(signed(octets, ED25519_KEY), ED25519_KEY)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Subject: ", b"Subject: Re: "),
        (b"To: ", b"To: Eve, "),
        (b"Message-ID: <1", b"Message-ID: <2"),
        (b"Content-Type: text/plain", b"Content-Type: text/html"),
        (b"List-Unsubscribe: <https://news", b"List-Unsubscribe: <https://evil"),
        (b"\r\nFrom: news@", b"\r\nFrom: eve@"),
        (b"Hello", b"Hullo"),
        (b"From: news", b"From: eve@example.com\r\nFrom: news"),
    ],
)
def test_what_was_changed_is_not(old: bytes, new: bytes) -> None:
    good = signed(compiled("plain"))
    changed = good.replace(old, new, 1)
    assert changed != good
    assert is_verified(good)
    assert not is_verified(changed)


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_relay_may_fold_the_header_anew(algorithm: str) -> None:
    key = KEYS[algorithm]
    good = signed(compiled("html"), key)
    assert is_verified(good.replace(b"\r\nDate: Mon, 23", b"\r\nDate:  Mon,\r\n\t23"), key)


def test_every_list_field_is_signed() -> None:
    field = Signer(DOMAIN, SELECTOR, RSA_KEY).sign(compiled("plain")).replace(b"\r\n ", b"")
    names = field.partition(b"h=")[2].partition(b";")[0]
    assert sorted(names.split(b":")) == sorted(
        b"from:from:to:subject:date:message-id:mime-version:content-type:content-transfer-encoding:list-id:"
        b"list-unsubscribe:list-unsubscribe-post".split(b":")
    )


def test_the_key_of_rfc_8463() -> None:
    """RFC 8463 A.2."""
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="))
    assert public_key_record(key) == "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
