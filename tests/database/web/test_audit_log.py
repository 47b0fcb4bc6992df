"""The audit log: whatever changes something leaves an entry, on pages, by the API and by commands; and reading it.

A new route or command is tested here as soon as it is there: it has to be among those that are tried, or among those
that need no entry, with the reason.
"""

import argparse
import io
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.test import Client as Browser

from sendmill import cli
from sendmill.accounts import audit
from sendmill.accounts.models import AuditEntry, Client, Kind, User, Via
from sendmill.accounts.tokens import issue_named_token
from sendmill.campaigns import drafts
from sendmill.delivery import limits
from sendmill.delivery.gates import LimitKey, LimitKind, LimitValues
from sendmill.delivery.states import State
from sendmill.optouts.suppressions import suppress
from sendmill.urls import api
from sendmill.web import account_routes, routes
from tests.database.campaigns.making import make_group, make_message, make_sender
from tests.database.delivery.making import fill_group
from tests.database.web import made, making
from tests.database.web.conftest import BACKEND, PASSWORD, Tenant, person, text_of
from tests.database.web.test_access import MADE, address, invitation_of

pytestmark = pytest.mark.django_db(transaction=True)

WRITES = ("POST", "PUT", "DELETE")
SECRET = "only-in-the-file@secret.example"


def csv_file() -> io.BytesIO:
    file = io.BytesIO(f"name,email\nAnn,{SECRET}\n".encode())
    file.name = f"{SECRET}.csv"
    return file


# Pages ----------------------------------------------------------------------------------------------------------------


class Act(NamedTuple):
    """A page's POST: what kind of entry it leaves, the fields of its form, what it needs, and made by what."""

    kind: Kind
    fields: Callable[[Client], dict[str, Any]] = lambda _: {}
    makes: dict[str, Callable[[Client], str]] = {}
    needs: Callable[[Client, User], object] = lambda _client, _user: None


def ready_draft(client: Client, user: User) -> None:
    """One that can be started."""
    draft = drafts.begin_draft(client, user)
    group = make_group(client)
    fill_group(group, ["ann@example.com"])
    drafts.use_group(draft, group.object_id)
    drafts.set_section(draft, "message", {"source": "reuse", "_id": make_message(client).object_id})
    when = {"name": "Spring", "start_date": "2999-01-01 09:00", "timezone": "UTC"}
    drafts.set_section(draft, "schedule", {**when, "sender_id": make_sender(client).object_id})


def failed_campaign(client: Client) -> str:
    return making.sent_campaign(client, [State.FAILED]).object_id


def inactive_user(_client: Client) -> str:
    return str(person("inactive@sendmill.test", is_active=False).pk)


def set_limit(_client: Client, _user: User) -> None:
    limits.set_limit(LimitKey(LimitKind.DOMAIN, "example.com"), LimitValues(5.0, None, 1))


TEXT = {"description": "Hello", "email_message": "Hi"}
SENDER = {"description": "News", "email": "news@acme.test"}
UPLOAD = {"action": "update", "csv_file": csv_file, "email_index": "1", "name_index": "0"}
PAGES = {
    "invitation": Act(Kind.PEOPLE, lambda _: {"password": "correct-horse-battery"}),
    "draft-discard": Act(Kind.CAMPAIGNS, needs=drafts.begin_draft),
    "draft-check": Act(Kind.CAMPAIGNS, lambda _: {"start": "scheduled"}, needs=ready_draft),
    "draft-test": Act(Kind.CAMPAIGNS, needs=ready_draft),
    "campaign-status": Act(Kind.CAMPAIGNS, lambda _: {"status": "paused"}),
    "campaign-retry": Act(Kind.CAMPAIGNS, makes={"campaign_id": failed_campaign}),
    "message-new": Act(Kind.MESSAGES, lambda _: TEXT),
    "message": Act(Kind.MESSAGES, lambda _: TEXT),
    "message-delete": Act(Kind.MESSAGES),
    "group-add": Act(Kind.CONTACTS, lambda _: {"tag": "Readers"}),
    "group-rename": Act(Kind.CONTACTS, lambda _: {"tag": "Readers"}),
    "group-delete": Act(Kind.CONTACTS),
    "group-upload": Act(Kind.CONTACTS, lambda _: {**UPLOAD, "csv_file": csv_file()}),
    "contact-add": Act(Kind.CONTACTS, lambda _: {"email": "ann@example.com", "name": "Ann"}),
    "contact-drop": Act(Kind.CONTACTS, lambda _: {"email": "ann@example.com"}, {"group_id": lambda c: full_group(c)}),
    "person-opt-out": Act(Kind.CONTACTS, lambda _: {"email": "ann@example.com"}),
    "person-erase": Act(Kind.CONTACTS, lambda _: {"email": "ann@example.com"}),
    "person-mail-again": Act(
        Kind.CONTACTS, lambda _: {"email": "ann@example.com"}, needs=lambda c, _: suppress(c, "ann@example.com")
    ),
    "optout-add": Act(Kind.OPTOUTS, lambda _: {"email": "ann@example.com"}),
    "optout-upload": Act(Kind.OPTOUTS, lambda _: {"action": "optout_add", "csv_file": csv_file(), "email_index": "1"}),
    "optout-remove": Act(Kind.OPTOUTS, lambda _: {"reason": "asked for it"}),
    "sender-add": Act(Kind.SENDERS, lambda _: SENDER),
    "sender": Act(Kind.SENDERS, lambda _: SENDER),
    "sender-delete": Act(Kind.SENDERS),
    "dkim-key-add": Act(Kind.SENDERS, lambda _: {"algorithm": "ed25519", "selector": "s1"}),
    "dkim-key-delete": Act(Kind.SENDERS, makes={"selector": lambda _: "s1"}),
    "settings": Act(Kind.SETTINGS, lambda _: {"name": "Acme", "language": "de"}),
    "settings-people": Act(Kind.PEOPLE, lambda _: {"email": "another@acme.test", "role": "viewer"}),
    "settings-role": Act(Kind.PEOPLE, lambda _: {"role": "editor"}),
    "settings-remove": Act(Kind.PEOPLE),
    "settings-withdraw": Act(Kind.PEOPLE, makes={"invitation_id": invitation_of}),
    "settings-tokens": Act(Kind.TOKENS, lambda _: {"name": "shop"}),
    "settings-revoke": Act(Kind.TOKENS),
    "settings-delivery": Act(Kind.SETTINGS, lambda c: {"kind": "client", "name": c.object_id, "rate": "5"}),
    "settings-limit-remove": Act(Kind.SETTINGS, lambda _: {"kind": "domain", "name": "example.com"}, needs=set_limit),
    "client-add": Act(Kind.PEOPLE, lambda _: {"name": "Another", "email": "owner@another.test"}),
    "installation-people": Act(Kind.PEOPLE, lambda c: {"email": f"viewer@{c.name}.test"}),
    "user-deactivate": Act(Kind.PEOPLE),
    "user-reactivate": Act(Kind.PEOPLE, makes={"user_id": inactive_user}),
    "operator-end": Act(Kind.PEOPLE),
}
"""What is posted to each page that changes something."""

OWN_OR_NOTHING = {
    "clients": "which client is shown, to this session alone",
    "account": "one's own time zone",
    "draft-message": "a draft does nothing until it is started",
    "draft-people": "as above",
    "draft-columns": "as above",
    "draft-schedule": "as above",
    "message-preview": "changes nothing",
    "message-preview-frame": "changes nothing",
    "upload-sample": "changes nothing",
}
"""Pages that take a POST and leave no entry, and why."""


def full_group(client: Client) -> str:
    group = make_group(client)
    fill_group(group, ["ann@example.com"])
    return group.object_id


def newest() -> AuditEntry | None:
    return AuditEntry.objects.order_by("-pk").first()


def test_every_page_that_changes_something_leaves_an_entry(acme: Tenant) -> None:
    posted = {route.name: route for route in routes.ROUTES if route.write is not None}
    assert PAGES.keys() | OWN_OR_NOTHING.keys() == posted.keys()
    operator = person("operator@sendmill.test", is_superuser=True)
    browser = Browser(headers={"accept": "text/html"})
    for name, act in PAGES.items():
        browser.force_login(operator, backend=BACKEND)
        browser.post("/clients/", {"client": acme.client.object_id})
        who = "new@acme.test" if name == "invitation" else operator.email
        act.needs(acme.client, operator)
        path = address(posted[name], acme.client, MADE | act.makes)
        before = newest()
        (Browser() if name == "invitation" else browser).post(path, act.fields(acme.client))
        left = AuditEntry.objects.filter(pk__gt=before.pk if before else 0)
        assert {(entry.actor, entry.via, entry.kind) for entry in left} == {(who, Via.DASHBOARD, act.kind)}, name
        assert not [entry for entry in left if SECRET in entry.subject], name


def test_pages_of_ones_own_account_have_words_for_what_they_change() -> None:
    """Each is tried where it is tested; here is that none is forgotten: they are allauth's, and tell one place."""
    posted = {route.name for route in account_routes.ROUTES if route.write is not None}
    assert posted == {
        # to be, or to go on being, somebody
        "account_login", "mfa_authenticate", "mfa_login_webauthn", "account_logout", "account_reauthenticate",
        "mfa_reauthenticate", "mfa_reauthenticate_webauthn",
        # told to AccountAdapter.send_notification_mail
        "account_reset_password_from_key", "account_change_password", "account_set_password", "mfa_activate_totp",
        "mfa_deactivate_totp", "mfa_add_webauthn", "mfa_remove_webauthn", "mfa_generate_recovery_codes",
        # asks for a mail; a key's own name
        "account_reset_password", "mfa_edit_webauthn",
    }  # fmt: skip


def test_what_a_person_changes_of_their_sign_in_is_in_the_installations_log(
    acme: Tenant, zoe: User, operator: Browser
) -> None:
    browser = Browser(headers={"accept": "text/html"})
    browser.post("/sign-in/", {"login": zoe.email, "password": PASSWORD})
    new = {"password1": "another-horse-7", "password2": "another-horse-7"}
    browser.post("/account/password/", {"oldpassword": PASSWORD, **new})
    shown = text_of(operator.get(f"/installation/audit/?actor={zoe.email}&kind=sign-in").content)
    assert "signed in" in shown and "changed their password" in shown and "another-horse" not in shown
    assert "signed in" not in text_of(acme.owner.get("/settings/audit/").content)


# The API --------------------------------------------------------------------------------------------------------------


class Call(NamedTuple):
    """A call of the API: the kind of its entry, its `_id`, its fields; a form with files where one is among them."""

    kind: Kind
    object_id: Callable[[Client], str] | None = None
    fields: Callable[[Client], dict[str, Any]] = lambda _: {}


def campaign_fields(client: Client) -> dict[str, Any]:
    schedule = {"name": "Spring", "start_date": "2999-01-01 09:00", "timezone": "UTC"}
    attributes = {
        "message": {"source": "new", **TEXT},
        "contact_group": {"type": "reuse", "_id": {"$oid": full_group(client)}},
        "schedule": {**schedule, "sender_id": {"$oid": make_sender(client).object_id}},
    }
    return {"attributes": json.dumps(attributes), "csv_file": csv_file()}


def rows(**indexes: str) -> Callable[[Client], dict[str, Any]]:
    return lambda _: {**indexes, "csv_file": csv_file()}


COLUMNS = {"name_index": "0", "email_index": "1"}
CALLS = {
    ("email/senderid/", "POST"): Call(Kind.SENDERS, None, lambda _: SENDER),
    ("email/senderid/", "PUT"): Call(Kind.SENDERS, made.sender_id, lambda _: {"description": "Other news"}),
    ("email/senderid/", "DELETE"): Call(Kind.SENDERS, lambda c: make_sender(c).object_id),
    ("email/optout/", "POST"): Call(Kind.OPTOUTS, None, lambda _: {"email": "ann@example.com"}),
    ("email/optout/", "PUT"): Call(Kind.OPTOUTS, made.optout_id, lambda _: {"email": "bob@example.com"}),
    ("email/optout/", "DELETE"): Call(Kind.OPTOUTS, made.optout_id),
    ("email/optout/bulk/add/", "POST"): Call(Kind.OPTOUTS, None, rows(email_index="1")),
    ("email/optout/bulk/delete/", "POST"): Call(Kind.OPTOUTS, None, rows(email_index="1")),
    ("email/contact/", "POST"): Call(Kind.CONTACTS, None, lambda _: {"tag": "Readers"}),
    ("email/contact/", "PUT"): Call(Kind.CONTACTS, made.group_id, lambda _: {"tag": "Readers"}),
    ("email/contact/", "DELETE"): Call(Kind.CONTACTS, made.group_id),
    ("email/contact/bulk/replace/", "POST"): Call(Kind.CONTACTS, made.group_id, rows(**COLUMNS)),
    ("email/contact/bulk/update/", "POST"): Call(Kind.CONTACTS, made.group_id, rows(**COLUMNS)),
    ("email/contact/bulk/delete/", "POST"): Call(Kind.CONTACTS, made.group_id, rows(email_index="1")),
    ("email/contact/erase/", "POST"): Call(Kind.CONTACTS, None, lambda _: {"email": "ann@example.com"}),
    ("email/message/", "POST"): Call(Kind.MESSAGES, None, lambda _: TEXT),
    ("email/message/", "PUT"): Call(Kind.MESSAGES, making.message_of, lambda _: TEXT),
    ("email/message/", "DELETE"): Call(Kind.MESSAGES, making.message_of),
    ("email/import/", "POST"): Call(
        Kind.CONTACTS, None, lambda _: {"tag": "Readers", **UPLOAD, "csv_file": csv_file()}
    ),
    ("email/campaign/", "POST"): Call(Kind.CAMPAIGNS, None, campaign_fields),
    ("email/campaign/", "PUT"): Call(Kind.CAMPAIGNS, making.campaign_of, lambda _: {"status": "paused"}),
    ("email/campaign/retry/", "POST"): Call(Kind.CAMPAIGNS, failed_campaign),
}
LOG_IN = ("auth/api-token-auth/", "POST")


def test_every_call_that_changes_something_leaves_an_entry(acme: Tenant) -> None:
    takes = {
        (str(url.pattern), method)
        for url in api
        for method in WRITES
        if hasattr(url.callback.view_class, method.lower())
    }
    assert takes == {*CALLS, LOG_IN}
    token = issue_named_token(acme.client, "shop")
    program = Browser(headers={"authorization": f"Token {token}"})
    for (path, method), call in CALLS.items():
        query = f"?_id={call.object_id(acme.client)}" if call.object_id else ""
        fields = call.fields(acme.client)
        before = newest()
        if any(isinstance(value, io.BytesIO) for value in fields.values()):
            answer = program.post(f"/api/v1/{path}{query}", fields)
        else:
            answer = program.generic(method, f"/api/v1/{path}{query}", json.dumps(fields), "application/json")
        assert answer.status_code < 300, (path, method, answer.content)
        (entry,) = AuditEntry.objects.filter(pk__gt=before.pk if before else 0)
        found = (entry.client, entry.via, entry.kind, entry.actor, entry.token)
        name = f"shop ({token[:8]}…)"
        assert found == (acme.client, Via.API, call.kind, name, name), (path, method)
        assert token not in str(vars(entry)) and SECRET not in str(vars(entry)), (path, method)


def test_who_uses_a_token_is_its_user_and_what_is_refused_leaves_nothing(acme: Tenant, zoe: User) -> None:
    login = {"username": zoe.email, "password": PASSWORD}
    token = Browser().post("/auth/api-token-auth/", login).json()["token"]
    entry = newest()
    assert entry is not None and (entry.kind, entry.action) == (Kind.SIGN_IN, "got an API token by password")
    program = Browser(headers={"authorization": f"Token {token}"})
    program.post("/email/senderid/", SENDER)
    program.post("/email/senderid/", {"email": "nobody"})
    program.delete("/email/senderid/?_id=000000000000000000000000")
    (added,) = AuditEntry.objects.filter(kind=Kind.SENDERS)
    assert (added.user, added.actor, added.token) == (zoe, zoe.email, f"login ({token[:8]}…)")
    assert (added.action, added.subject) == ("added a sender", "news@acme.test")
    shown = text_of(acme.owner.get("/settings/audit/").content)
    assert f"zoe@acme.test API token login ({token[:8]}…) added a sender: news@acme.test" in shown


# Commands -------------------------------------------------------------------------------------------------------------

READING = {
    "run", "web", "worker", "migrate", "doctor", "backup", "restore", "status", "demo", "dkim list", "limit list",
    "export contacts", "export results",
}  # fmt: skip
"""Commands that change nothing of a client that is there."""


def commands(parser: argparse.ArgumentParser, above: str = "") -> set[str]:
    """All of the command line's, as they are typed."""
    found: set[str] = set()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                found |= commands(below, f"{above} {name}".strip())
    return found or {above}


def test_every_command_that_changes_something_leaves_an_entry(
    acme: Tenant, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "deploy")
    file = tmp_path / "people.csv"
    file.write_bytes(csv_file().read())
    client = acme.client.object_id
    making_one, limit = f"--client {client}", f"client {client}"
    tried = [
        ("client add", "client add Another --email owner@another.test --password correct-horse", Kind.PEOPLE),
        ("client set", f"client set {client} --footer off", Kind.SETTINGS),
        ("operator add", "operator add owner@another.test", Kind.PEOPLE),
        ("token add", f"token add {making_one}", Kind.TOKENS),
        ("dkim add", f"dkim add acme.test --selector s1 --algorithm ed25519 {making_one}", Kind.SENDERS),
        ("dkim remove", "dkim remove acme.test s1", Kind.SENDERS),
        ("limit set", f"limit set {limit} --rate 5", Kind.SETTINGS),
        ("limit remove", f"limit remove {limit}", Kind.SETTINGS),
        ("import", f"import {file} --group Readers {making_one}", Kind.CONTACTS),
        ("erase", f"erase ann@example.com {making_one}", Kind.CONTACTS),
        ("prune", "prune --imports-days 1", Kind.SETTINGS),
    ]
    assert {name for name, _, _ in tried} | READING == commands(cli._parser())
    for name, line, kind in tried:
        before = newest()
        options = cli._parser().parse_args(line.split())
        assert options.command(options) == 0
        (entry,) = AuditEntry.objects.filter(pk__gt=before.pk if before else 0)
        assert (entry.actor, entry.via, entry.kind) == ("deploy (command line)", Via.COMMAND, kind), name
        assert (entry.client == acme.client) == (name not in ("client add", "operator add", "prune")), name
        assert SECRET not in entry.subject and "correct-horse" not in entry.subject


def test_a_dry_run_leaves_nothing(acme: Tenant, tmp_path: Any) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(csv_file().read())
    for line in (f"import {file} --group Readers --client {acme.client.object_id} --dry-run", "prune --dry-run"):
        options = cli._parser().parse_args(line.split())
        assert options.command(options) == 0
    assert newest() is None


# Reading it -----------------------------------------------------------------------------------------------------------


def test_the_log_is_the_clients_own_paged_and_narrowed(acme: Tenant, other: Tenant) -> None:
    for number in range(51):
        audit.record(acme.client, audit.command_line(), Kind.TOKENS, "made an API token", f"program {number}")
    acme.editor.post("/senders/add/", {"description": "News", "email": "news@acme.test"})
    first = acme.owner.get("/settings/audit/?kind=tokens")
    assert "program 50" in text_of(first.content)
    assert "program 0 " not in text_of(first.content)
    older = acme.owner.get(f"/settings/audit/{first.context['older']}")
    assert [entry.subject for entry in older.context["entries"]] == ["program 0"]
    assert older.context["newer"] == "?kind=tokens"
    for query, subjects in {
        "actor=editor@acme.test": ["news@acme.test"],
        "actor=editor@acme.test&kind=tokens": [],
        "kind=senders": ["news@acme.test"],
        "actor=nobody": [],
    }.items():
        shown = acme.owner.get(f"/settings/audit/?{query}").context["entries"]
        assert [entry.subject for entry in shown] == subjects, query
    assert not other.owner.get("/settings/audit/").context["entries"]
