"""The doctor, on a real mail server and a real DNS server of this machine."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from pytest_django import Settings

from sendmill.commands.doctor import run_doctor
from sendmill.commands.doctor_relays import examine_relays
from sendmill.delivery.relays import parse_relays
from sendmill.schema import RESTORING_TABLE
from sendmill.senders.registry import add_sender
from tests.database.campaigns.making import make_client
from tests.dns_server import dns_server
from tests.unit.delivery.smtp_peer import free_port
from tests.unit.delivery.smtp_servers import PASSWORD, URL_CREDENTIALS, Aiosmtpd, Certificate, url

pytestmark = pytest.mark.django_db


def findings(capsys: pytest.CaptureFixture[str], *domains: str) -> tuple[int, list[dict[str, Any]]]:
    code = run_doctor(domains, as_json=True)
    return code, json.loads(capsys.readouterr().out)


def about(found: list[dict[str, Any]], subject: str) -> list[dict[str, Any]]:
    return [finding for finding in found if finding["subject"] == subject]


def test_it_logs_in_to_every_relay_and_sends_no_mail(tmp_path: Path) -> None:
    tls = Certificate(tmp_path, "127.0.0.1").server_context()
    with Aiosmtpd(mechanisms=("PLAIN",), tls_context=tls) as server:
        urls = (
            url(server, "tls=starttls&verify=no", URL_CREDENTIALS),
            url(server, "tls=starttls&verify=no", "sender%40example.com:wrong"),
            url(server, "tls=starttls", URL_CREDENTIALS),
            url(free_port(), "tls=none"),
        )
        right, refused, uncertified, absent = examine_relays([parse_relays(each)[0] for each in urls])
    assert server.mailbox.received == []
    assert right.state == "notice"  # aiosmtpd has no PIPELINING, which is worth a word
    assert "logged in as sender@example.com" in right.fact
    assert "TLSv1." in right.fact
    assert (refused.state, "login refused: 535" in refused.fact) == ("problem", True)
    assert (uncertified.state, "certificate" in uncertified.fact) == ("problem", True)
    assert (absent.state, "refused" in absent.fact) == ("problem", True)
    assert all(finding.advice for finding in (right, refused, uncertified, absent))
    assert not any(PASSWORD in finding.fact for finding in (right, refused, uncertified, absent))


def test_it_looks_at_the_domains_that_mail_is_sent_from(capsys: pytest.CaptureFixture[str], settings: Settings) -> None:
    client = make_client()
    for address in ("news@books.example", "info@Books.Example", "a@other.example"):
        add_sender(client, description="", email=address)
    zone = {
        ("books.example", "TXT"): ['"v=spf1 ip4:8.8.4.4 -all"'],
        ("books.example", "MX"): ["1 mx.books.example."],
        ("evil.example", "TXT"): ['"v=spf1 +all \\027[31m"'],
    }
    with dns_server(zone) as dns:
        settings.SENDMILL_DNS_SERVERS = (dns.address,)
        settings.SENDMILL_SMTP_URL = f"smtp://127.0.0.1:{free_port()}"
        _, found = findings(capsys)
        assert [finding["state"] for finding in about(found, "SPF of books.example")] == ["ok"]
        assert [finding["state"] for finding in about(found, "MX of books.example")] == ["ok"]
        (dmarc,) = about(found, "DMARC of books.example")
        assert dmarc["state"] == "problem"
        assert dmarc["advice"].startswith("Publish: _dmarc.books.example TXT v=DMARC1; p=none;")
        assert about(found, "MX of other.example")[0]["state"] == "problem"
        _, found = findings(capsys, "books.example")
        assert not about(found, "MX of other.example")

        run_doctor(["evil.example"], as_json=False)
        assert "\x1b" not in capsys.readouterr().out


def test_dns_that_is_out_of_reach_is_no_problem_of_the_installation(
    capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    add_sender(make_client(), description="", email="news@books.example")
    with dns_server({("books.example", "SERVFAIL"): [], ("_dmarc.books.example", "SERVFAIL"): []}) as dns:
        settings.SENDMILL_DNS_SERVERS = (dns.address,)
        settings.SENDMILL_SMTP_URL = f"smtp://127.0.0.1:{free_port()}"
        _, found = findings(capsys)
    assert about(found, "SPF of books.example")[0]["state"] == "notice"
    assert "SENDMILL_DNS_SERVERS" in about(found, "SPF of books.example")[0]["advice"]


def test_a_restore_that_broke_off_is_a_problem_and_the_rest_is_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {RESTORING_TABLE} (version integer)")
    code, found = findings(capsys)
    (database,) = about(found, "database")
    assert (code, database["state"], "sendmill restore" in database["fact"]) == (1, "problem", True)
    assert about(found, "data folder")


def test_an_outbox_needs_no_dns_and_a_key_has_to_be_private(capsys: pytest.CaptureFixture[str]) -> None:
    key = django_settings.SENDMILL_DATA / "secret-key"
    code, found = findings(capsys)
    assert code == 0
    assert {finding["state"] for finding in found} <= {"ok", "notice"}
    assert "not looked at" in about(found, "DNS")[0]["fact"]
    (public_url,) = about(found, "public URL")
    assert (public_url["state"], "https" in public_url["advice"]) == ("notice", True)
    key.chmod(0o644)
    try:
        code, found = findings(capsys)
    finally:
        key.chmod(0o600)
    assert code == 1
    assert about(found, "secret key")[0]["advice"] == f"Run 'chmod 600 {key}'."
