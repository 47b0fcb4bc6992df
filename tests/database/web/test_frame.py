"""What all pages have in common: headers, errors, assets, and a way through beside the API."""

import gzip
import io
import re

import pytest
from django.db import OperationalError
from django.test import Client as Browser

from sendmill.web.assets import asset_url, icon
from sendmill.web.security import CONTENT_SECURITY_POLICY
from tests.database.web.conftest import Tenant, text_of


def test_pages_say_what_browsers_may_do_with_them(acme: Tenant) -> None:
    page = acme.viewer.get("/")
    assert page["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert page["X-Content-Type-Options"] == "nosniff"
    assert page["Referrer-Policy"] == "same-origin"
    assert {"private", "no-cache"} <= set(re.split(r",\s*", page["Cache-Control"]))


def test_a_page_has_nothing_inline_and_nothing_from_elsewhere(acme: Tenant, anonymous: Browser) -> None:
    for html in (acme.owner.get("/").content.decode(), anonymous.get("/sign-in/").content.decode()):
        assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)|<style|\sstyle=|\son\w+=", html)
        addresses = re.findall(r'(?:src|href|action)="([^"]*)"', html)
        assert addresses
        assert not [found for found in addresses if not found.startswith(("/", "#")) or found.startswith("//")]


def test_errors_are_pages_for_browsers_and_json_for_programs(acme: Tenant, anonymous: Browser) -> None:
    page = acme.owner.get("/nothing/here/")
    assert page.status_code == 404
    assert "There is nothing here" in text_of(page.content)
    assert anonymous.get("/nothing/here/").status_code == 404
    for answer in (
        acme.owner.get("/nothing/", headers={"accept": "application/json"}),
        acme.owner.get("/email/nothing/"),
        acme.owner.get("/api/v1/nothing/"),
    ):
        assert answer.json() == {"detail": "Not found."}


def test_a_session_is_worth_nothing_to_the_api(acme: Tenant) -> None:
    assert acme.owner.get("/email/senderid/").status_code == 401
    assert acme.owner.post("/email/senderid/", {}).status_code == 401


def test_an_unexpected_error_is_a_page_with_an_id(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise RuntimeError("<script>secret</script>")

    monkeypatch.setattr("sendmill.web.pages.overview.render", fail)
    acme.owner.raise_request_exception = False
    page = acme.owner.get("/")
    assert page.status_code == 500
    assert re.search(r"name this id: [0-9a-f]{16}", text_of(page.content))
    assert b"secret" not in page.content


def test_a_form_that_ended_early_is_told_so(acme: Tenant) -> None:
    acme.owner.raise_request_exception = False
    acme.owner.handler.enforce_csrf_checks = True
    acme.owner.cookies["sendmill_csrf"] = "a" * 32
    form = {"CONTENT_LENGTH": "1000", "CONTENT_TYPE": "application/x-www-form-urlencoded"}
    page = acme.owner.generic("POST", "/settings/", **form, **{"wsgi.input": io.BytesIO(b"name=x")})
    assert page.status_code == 400
    assert "ended before its body was complete" in text_of(page.content)


def test_a_database_that_is_away_is_a_page(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr("sendmill.web.pages.overview.read_reports", fail)
    page = acme.owner.get("/")
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert "locked" not in text_of(page.content)


def test_pages_travel_compressed(acme: Tenant) -> None:
    page = acme.owner.get("/", headers={"accept-encoding": "gzip"})
    assert page["Content-Encoding"] == "gzip"
    assert b"Overview" in gzip.decompress(page.content)
    assert int(page["Content-Length"]) == len(page.content)


def test_assets_are_kept_for_ever_and_change_their_address(anonymous: Browser) -> None:
    url = asset_url("sendmill.css")
    answer = anonymous.get(url, headers={"accept-encoding": "gzip"})
    assert "immutable" in answer["Cache-Control"]
    assert gzip.decompress(answer.content) == anonymous.get(url).content
    assert answer["Content-Type"] == "text/css; charset=utf-8"
    old = anonymous.get(re.sub(r"/assets/\w+/", "/assets/0123456789ab/", url))
    assert (old.status_code, old["Cache-Control"]) == (200, "no-cache")
    for name in ("../guard.py", "vendor/README.md", "nothing.css"):
        assert anonymous.get(f"/assets/0/{name}").status_code == 404


def test_an_icon_is_decoration() -> None:
    assert icon("home").startswith('<svg aria-hidden="true"')


def test_the_viewers_zone_comes_from_the_browser(acme: Tenant) -> None:
    from datetime import UTC, datetime

    from django.template import Context, Template
    from django.utils import timezone

    template = Template("{% load sendmill %}{% moment at zone %}")
    at = datetime(2026, 11, 25, 23, 30, tzinfo=UTC)
    with timezone.override("Europe/Berlin"):
        assert "26 Nov 2026, 00:30</time>" in template.render(Context({"at": at, "zone": "Europe/Paris"}))
        both = template.render(Context({"at": at, "zone": "America/New_York"}))
    assert "(25 Nov 2026, 18:30 America/New_York)" in both
    assert "Europe/Berlin" in both
    assert acme.owner.get("/", headers={"cookie": "timezone=../../etc/passwd"}).status_code in (200, 302)
