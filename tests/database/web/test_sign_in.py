"""Signing in: passwords, lock-outs, new passwords by mail, second factors, invitations, the first owner."""

import mailbox
import re
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sendmill.accounts import new_passwords, people
from sendmill.accounts.models import AuditEntry, Client, PasswordRequest, Role, User
from sendmill.errors import Conflict, NotFound
from sendmill.web.password_mail import password_tasks
from tests.database.web.conftest import PASSWORD, Tenant, signed_in, text_of

SECRET = "JBSWY3DPEHPK3PXP"


@pytest.fixture(autouse=True)
def counts_anew() -> None:
    """What is limited is counted in this process's memory."""
    cache.clear()


def sign_in(browser: Browser, email: str, password: str, **fields: str) -> int:
    return browser.post("/sign-in/", {"login": email, "password": password, **fields}).status_code


def test_a_session_begins_anew_and_lasts_as_long_as_asked_for(zoe: User, anonymous: Browser) -> None:
    anonymous.get("/sign-in/")
    anonymous.session["planted"] = True
    anonymous.session.save()
    before = anonymous.session.session_key
    assert sign_in(anonymous, "Zoe@acme.test", PASSWORD) == 302
    assert anonymous.session.session_key != before
    assert anonymous.session.get_expire_at_browser_close()
    remembered = Browser()
    assert sign_in(remembered, zoe.email, PASSWORD, remember="on") == 302
    assert not remembered.session.get_expire_at_browser_close()
    assert remembered.post("/sign-out/").status_code == 302
    assert remembered.get("/").status_code == 302


@pytest.mark.parametrize("target", ["https://evil.test/", "//evil.test", "/\\evil.test", "javascript:alert(1)"])
def test_nobody_is_led_elsewhere(zoe: User, anonymous: Browser, target: str) -> None:
    answer = anonymous.post("/sign-in/", {"login": zoe.email, "password": PASSWORD, "next": target})
    assert answer["Location"] == "/"


def test_failures_lock_the_pair_of_name_and_address_for_pages_and_api(zoe: User, anonymous: Browser) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT):
        anonymous.post("/auth/api-token-auth/", {"username": zoe.email, "password": "wrong"})
    page = anonymous.post("/sign-in/", {"login": zoe.email, "password": PASSWORD})
    assert "Too many failed attempts. Try again in 5 min" in text_of(page.content)
    elsewhere = Browser(REMOTE_ADDR="192.0.2.7")
    assert sign_in(elsewhere, zoe.email, PASSWORD) == 302


def test_a_new_password_comes_by_mail(zoe: User, anonymous: Browser, settings: Any) -> None:
    settings.EMAIL_BACKEND = "sendmill.delivery.notices.RelayEmailBackend"  # Django puts another in place for tests
    outbox = settings.SENDMILL_DATA / "outbox"
    known = _mails(outbox)
    asked = {}
    for address in ("nobody@acme.test", "Zoe@acme.test"):
        with CaptureQueriesContext(connection) as queries:
            answer = anonymous.post("/password/", {"email": address}, headers={"host": "evil.test"})
        assert answer["Location"] == "/password/sent/"
        asked[address] = [re.sub(r"'[^']*'|\d+", "?", query["sql"]) for query in queries]
    assert len(set(map(tuple, asked.values()))) == 1, "who is known costs what who isn't costs"
    assert _mails(outbox) == known, "nobody waits for a mail server"
    _send_links()
    assert not PasswordRequest.objects.exists()
    (mail,) = (message for name, message in mailbox.Maildir(outbox).items() if name not in known)
    assert (mail["To"], mail["Delivered-To"]) == (zoe.email, zoe.email)
    (link,) = re.findall(r"http\S+", mail.get_payload())
    assert link.startswith(settings.SENDMILL_PUBLIC_URL + "/password/")
    form = anonymous.get(link.removeprefix(settings.SENDMILL_PUBLIC_URL))["Location"]
    weak = anonymous.post(form, {"password1": "password12", "password2": "password12"})
    assert "too common" in text_of(weak.content)
    assert anonymous.post(form, {"password1": "a-new-one-7", "password2": "a-new-one-7"}).status_code == 302
    assert sign_in(Browser(), zoe.email, PASSWORD) == 200
    assert sign_in(Browser(), zoe.email, "a-new-one-7") == 302
    again = Browser().get(link.removeprefix(settings.SENDMILL_PUBLIC_URL))
    assert "This link no longer works" in text_of(again.content)


def test_a_link_that_no_relay_takes_is_tried_again_for_an_hour(zoe: User, anonymous: Browser, settings: Any) -> None:
    settings.EMAIL_BACKEND = "sendmill.delivery.notices.RelayEmailBackend"
    settings.SENDMILL_SMTP_URL = f"smtp://127.0.0.1:{_closed_port()}"
    anonymous.post("/password/", {"email": zoe.email})
    _send_links()
    _send_links()  # not due: nobody else takes it meanwhile
    (request,) = PasswordRequest.objects.all()
    assert timedelta(seconds=50) < request.next_try_on - timezone.now() <= timedelta(minutes=1)
    assert new_passwords.take(request.pk, request.next_try_on) is not None
    assert new_passwords.take(request.pk, request.asked_on + timedelta(minutes=61)) is None
    assert not PasswordRequest.objects.exists()


def test_a_deactivation_ends_links_that_are_under_way(zoe: User, operator: Browser) -> None:
    new_passwords.ask(zoe.email)
    wanted = new_passwords.take(PasswordRequest.objects.get().pk, timezone.now())
    assert wanted is not None
    operator.post(f"/installation/people/{zoe.pk}/deactivate/")
    operator.post(f"/installation/people/{zoe.pk}/reactivate/")
    assert "This link no longer works" in text_of(Browser().get(f"/password/{wanted.key}/").content)


def _send_links() -> None:
    """As the scheduler does."""
    (task,) = password_tasks()
    for number in task.find():
        assert not task.run(number)


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _mails(outbox: Path) -> set[str]:
    return set(mailbox.Maildir(outbox).keys())


def test_a_second_factor_is_asked_for_and_kept_encrypted(zoe: User, anonymous: Browser) -> None:
    browser = Browser(headers={"accept": "text/html"})
    sign_in(browser, zoe.email, PASSWORD)
    confirm = browser.get("/account/security/app/")["Location"]
    assert browser.post(confirm, {"password": "wrong"}).status_code == 200
    assert browser.post(confirm, {"password": PASSWORD})["Location"] == "/account/security/app/"
    secret = browser.get("/account/security/app/").context["form"].secret
    assert browser.post("/account/security/app/", {"code": _code(secret)}).status_code == 302
    stored = Authenticator.objects.get(user=zoe, type="totp").data["secret"]
    assert secret not in stored
    answer = anonymous.post("/sign-in/", {"login": zoe.email, "password": PASSWORD})
    assert answer["Location"].startswith("/sign-in/second-factor/")
    assert anonymous.get("/").status_code == 302
    assert anonymous.post("/sign-in/second-factor/", {"code": "000000"}).status_code == 200
    assert anonymous.get("/").status_code == 302


def test_codes_of_a_second_factor_can_not_be_guessed_through(zoe: User, anonymous: Browser) -> None:
    """Of a million three are right: without a limit, who has the password finds one within the hour."""
    TOTP.activate(zoe, SECRET)
    sign_in(anonymous, zoe.email, PASSWORD)
    for guess in range(5):
        page = anonymous.post("/sign-in/second-factor/", {"code": str(guess)})
        assert "Incorrect code" in text_of(page.content)
    elsewhere = Browser(REMOTE_ADDR="192.0.2.7")
    sign_in(elsewhere, zoe.email, PASSWORD)
    for browser in (anonymous, elsewhere):
        page = browser.post("/sign-in/second-factor/", {"code": _code(SECRET)})
        assert "Too many failed login attempts" in text_of(page.content)
        assert browser.get("/").status_code == 302


def _code(secret: str) -> str:
    counters = sorted(yield_hotp_counters_from_time())
    return format_hotp_value(hotp_value(secret, counters[len(counters) // 2]))  # the present one


def test_the_api_takes_no_password_alone_of_who_has_a_second_factor(zoe: User, anonymous: Browser) -> None:
    login = {"username": zoe.email, "password": PASSWORD}
    assert anonymous.post("/auth/api-token-auth/", login).status_code == 200
    TOTP.activate(zoe, SECRET)
    answer = anonymous.post("/auth/api-token-auth/", login)
    assert answer.status_code == 400
    assert "A password alone is not enough" in answer.json()["non_field_errors"][0]
    wrong = anonymous.post("/auth/api-token-auth/", {**login, "password": "wrong"})
    assert wrong.json() == {"non_field_errors": ["Unable to log in with provided credentials."]}


@pytest.mark.parametrize("way", ["changed", "by mail"])
def test_a_new_password_ends_what_the_old_one_opened(zoe: User, anonymous: Browser, way: str) -> None:
    login = anonymous.post("/auth/api-token-auth/", {"username": zoe.email, "password": PASSWORD}).json()
    elsewhere = Browser(headers={"accept": "text/html"})
    sign_in(elsewhere, zoe.email, PASSWORD)
    new = {"password1": "a-new-one-7", "password2": "a-new-one-7"}
    if way == "changed":
        sign_in(anonymous, zoe.email, PASSWORD)
        answer = anonymous.post("/account/password/", {"oldpassword": PASSWORD, **new})
    else:
        zoe.refresh_from_db()
        form = anonymous.get(f"/password/{new_passwords.key_of(zoe)}/")["Location"]
        answer = anonymous.post(form, new)
    assert answer.status_code == 302
    assert elsewhere.get("/").status_code == 302
    assert Browser(headers={"authorization": f"Token {login['token']}"}).get("/email/senderid/").status_code == 401


def test_an_invitation_makes_a_member_once(acme: Tenant, anonymous: Browser) -> None:
    page = acme.owner.post("/settings/people/", {"email": "New@Acme.test", "role": "viewer"})
    path = page.context["link"].removeprefix(settings.SENDMILL_PUBLIC_URL)
    assert "new@acme.test" in text_of(anonymous.get(path).content)
    assert "too short" in text_of(anonymous.post(path, {"password": "short"}).content)
    assert anonymous.post(path, {"password": PASSWORD}).status_code == 302
    assert anonymous.get("/").context["client"] == acme.client
    assert anonymous.post("/settings/", {"name": "mine now"}).status_code == 403
    assert Browser().get(path, headers={"accept": "text/html"}).status_code == 404
    actions = list(AuditEntry.objects.filter(client=acme.client).order_by("pk").values_list("action", "subject"))
    assert actions == [("invited as viewer", "New@Acme.test"), ("joined as viewer", "new@acme.test")]


def test_an_invitation_is_for_one_person(acme: Tenant, other: Tenant) -> None:
    owner = acme.client.memberships.get(role=Role.OWNER).user
    path = f"/invitation/{people.invite(acme.client, 'viewer@other.test', Role.OWNER, owner)}/"
    assert other.owner.post(path).status_code == 409
    assert Browser().post(path).status_code == 200
    assert acme.client.memberships.count() == 3
    assert other.viewer.post(path).status_code == 302
    assert other.viewer.get("/").context["client"] == acme.client


def test_a_client_is_never_without_an_owner(acme: Tenant, other: Tenant) -> None:
    owner, editor = (acme.client.memberships.get(role=role) for role in (Role.OWNER, Role.EDITOR))
    for act in (
        lambda: people.remove(acme.client, owner.pk),
        lambda: people.change_role(acme.client, owner.pk, "viewer"),
    ):
        with pytest.raises(Conflict, match="only owner"):
            act()
    people.change_role(acme.client, editor.pk, "owner")
    people.remove(acme.client, owner.pk)
    with pytest.raises(NotFound):
        people.remove(other.client, editor.pk)


def test_the_first_owner_is_made_once(anonymous: Browser) -> None:
    stale, token = people.first_owner_token(), people.first_owner_token()
    assert anonymous.get(f"/invitation/{stale}/").status_code == 404
    answer = anonymous.post(
        f"/invitation/{token}/", {"name": "Café Zoë", "email": "zoe@cafe.test", "password": PASSWORD}
    )
    assert answer["Location"] == "/"
    assert Client.objects.get().name == "Café Zoë"
    assert User.objects.get().is_operator
    assert not Client.objects.get().tokens.exists()
    assert people.first_owner_token() is None
    assert anonymous.get("/").status_code == 200
    assert Browser().get(f"/invitation/{token}/").status_code == 404


def test_who_runs_the_installation_is_told_by_its_mark_alone(acme: Tenant, operator: Browser) -> None:
    assert (
        acme.owner.post("/settings/delivery/", {"kind": "domain", "name": "example.com", "rate": "5"}).status_code
        == 403
    )
    operator.post("/settings/delivery/", {"kind": "domain", "name": "Example.com", "rate": "5"})
    assert "Domain example.com" in text_of(operator.get("/settings/delivery/").content)
    assert "example.com" not in text_of(acme.owner.get("/settings/delivery/").content)


@pytest.mark.parametrize("name", ["<script>shop</script>", "login"])  # "login": as those of logins are called
def test_tokens_are_shown_once_and_end_at_once(acme: Tenant, other: Tenant, name: str) -> None:
    page = acme.owner.post("/settings/tokens/", {"name": name})
    token = page.context["made"]
    assert page["Cache-Control"] == "no-store, private, no-cache"
    assert b"<script>shop" not in page.content
    assert token not in acme.owner.get("/settings/tokens/").content.decode()
    api = Browser(headers={"authorization": f"Token {token}"})
    assert api.get("/email/senderid/").status_code == 200
    (pk,) = (found.pk for found in acme.owner.get("/settings/tokens/").context["tokens"])
    assert other.owner.post(f"/settings/tokens/{pk}/revoke/").status_code == 404
    acme.owner.post(f"/settings/tokens/{pk}/revoke/")
    assert api.get("/email/senderid/").status_code == 401


def test_settings_say_what_is_wrong_at_the_field(acme: Tenant) -> None:
    fields = {"name": "Café", "postal_address": "\n".join("x" * 11), "adds_footer": "on", "language": "de"}
    page = acme.owner.post("/settings/", fields)
    assert "may have no more than" in str(page.context["form"].errors["postal_address"]).lower()
    acme.client.refresh_from_db()
    assert acme.client.name == "acme"
    assert acme.owner.post("/settings/", {**fields, "postal_address": "Rue 1"}).status_code == 302
    acme.client.refresh_from_db()
    assert (acme.client.name, acme.client.postal_address, acme.client.language) == ("Café", "Rue 1", "de")


def test_a_zone_that_the_user_has_chosen_counts(acme: Tenant) -> None:
    acme.owner.cookies["timezone"] = "Asia/Tokyo"
    assert 'title="Asia/Tokyo"' in acme.owner.get("/settings/people/").content.decode()
    acme.owner.post("/account/", {"timezone": "Europe/Berlin"})
    assert 'title="Europe/Berlin"' in acme.owner.get("/settings/people/").content.decode()


def test_deactivated_users_are_out(zoe: User) -> None:
    zoe.is_active = False
    zoe.save()
    assert Browser().post("/sign-in/", {"login": zoe.email, "password": PASSWORD}).status_code in (200, 302)
    assert signed_in(zoe).get("/").status_code == 302
