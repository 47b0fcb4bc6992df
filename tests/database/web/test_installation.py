"""What operators do for all clients: making them, ending and beginning somebody's access, making operators."""

import pytest
from django.conf import settings
from django.test import Client as Browser

from sendmill.accounts import operators, people
from sendmill.accounts.models import AuditEntry, Client, Role, User
from sendmill.accounts.tokens import issue_login_token, issue_named_token
from sendmill.errors import Conflict, InvalidField
from tests.database.web.conftest import Tenant, person, signed_in, text_of


def member(client: Client, role: Role) -> User:
    return client.memberships.get(role=role).user


def test_who_is_deactivated_is_out_at_once_and_comes_back_by_signing_in(
    acme: Tenant, other: Tenant, operator: Browser
) -> None:
    editor = member(acme.client, Role.EDITOR)
    editor.memberships.create(client=other.client, role=Role.VIEWER)
    own = Browser(headers={"authorization": f"Token {issue_login_token(acme.client, editor)}"})
    programs = Browser(headers={"authorization": f"Token {issue_named_token(acme.client, 'shop')}"})
    assert own.get("/email/senderid/").status_code == 200

    said = operator.post(f"/installation/people/{editor.pk}/deactivate/", follow=True)
    assert "signed out everywhere" in text_of(said.content)
    assert acme.editor.get("/").status_code == 302
    assert own.get("/email/senderid/").status_code == 401
    assert programs.get("/email/senderid/").status_code == 200, "it is the client's"
    assert "editor@acme.test deactivated" in text_of(acme.owner.get("/settings/people/").content)

    session = acme.editor.cookies["sendmill_session"].value
    operator.post(f"/installation/people/{editor.pk}/reactivate/")
    old = Browser(headers={"accept": "text/html"})
    old.cookies["sendmill_session"] = session
    assert old.get("/").status_code == 302, "a session from before doesn't come back"
    assert own.get("/email/senderid/").status_code == 401, "nor does a token"
    assert signed_in(User.objects.get(pk=editor.pk)).get("/campaigns/new/message/").status_code == 200
    for client in (acme.client, other.client, None):
        acts = AuditEntry.objects.filter(client=client, subject=editor.email).order_by("pk")
        assert [entry.action for entry in acts] == ["deactivated", "reactivated"]


def test_sessions_outlive_what_has_nothing_to_do_with_them(acme: Tenant, operator: Browser) -> None:
    operator.post(f"/installation/people/{member(acme.client, Role.EDITOR).pk}/deactivate/")
    assert acme.viewer.get("/").status_code == 200
    assert operator.get("/").status_code == 200


def test_an_operator_begins_with_a_client_of_their_own(acme: Tenant, other: Tenant) -> None:
    assert signed_in(person("new@sendmill.test", is_superuser=True)).get("/").context["client"] == acme.client
    member_too = person("both@sendmill.test", other.client, is_superuser=True)
    assert signed_in(member_too).get("/").context["client"] == other.client


def test_no_client_is_left_without_an_owner_who_can_sign_in(acme: Tenant, operator: Browser) -> None:
    owner, editor = member(acme.client, Role.OWNER), member(acme.client, Role.EDITOR)
    said = operator.post(f"/installation/people/{owner.pk}/deactivate/", follow=True)
    assert "is the only owner of acme" in text_of(said.content)
    assert acme.owner.get("/").status_code == 200
    people.change_role(acme.client, acme.client.memberships.get(user=editor).pk, "owner")
    operator.post(f"/installation/people/{owner.pk}/deactivate/")
    assert acme.owner.get("/").status_code == 302
    me = User.objects.get(is_superuser=True)
    for act in (
        lambda: people.change_role(acme.client, acme.client.memberships.get(user=editor).pk, "viewer"),
        lambda: operators.deactivate(editor.pk, me),
    ):
        with pytest.raises(Conflict, match="only owner"):  # whoever is deactivated doesn't count
            act()


def test_there_is_always_an_operator(acme: Tenant, operator: Browser) -> None:
    me = User.objects.get(is_superuser=True)
    for act in (lambda: operators.deactivate(me.pk, me), lambda: operators.end_operator(me.pk)):
        with pytest.raises(Conflict):
            act()
    colleague = member(acme.client, Role.VIEWER)
    said = operator.post("/installation/people/", {"email": "Viewer@Acme.test"}, follow=True)
    assert "viewer@acme.test is an operator now" in text_of(said.content)
    assert acme.viewer.get("/installation/").status_code == 200
    assert operators.deactivate(me.pk, colleague).is_active is False
    assert operator.get("/").status_code == 302
    with pytest.raises(Conflict, match="only operator"):  # the other one can't sign in
        operators.end_operator(colleague.pk)
    operators.reactivate(me.pk)
    operators.end_operator(colleague.pk)
    assert acme.viewer.get("/installation/").status_code == 403


@pytest.mark.parametrize(
    ("email", "reason"), [("nobody@acme.test", "Nobody signs in"), ("gone@acme.test", "is deactivated")]
)
def test_only_who_can_sign_in_becomes_an_operator(acme: Tenant, email: str, reason: str) -> None:
    person("gone@acme.test", acme.client, is_active=False)
    with pytest.raises(InvalidField, match=reason):
        operators.make_operator(email)


def test_a_client_is_made_with_a_link_for_its_owner(acme: Tenant, operator: Browser) -> None:
    assert acme.owner.get("/installation/").status_code == 403
    form = {"name": "<b>Bakery</b>", "email": "Owner@Bakery.test"}
    page = operator.post("/installation/add/", form)
    assert b"<b>Bakery" not in page.content
    path = page.context["link"].removeprefix(settings.SENDMILL_PUBLIC_URL)
    theirs = Browser(headers={"accept": "text/html"})
    assert theirs.post(path, {"password": "correct-horse-battery"}).status_code == 302
    assert theirs.get("/settings/tokens/").status_code == 200
    assert theirs.get("/").context["client"].name == "<b>Bakery</b>"

    assert "control characters" in text_of(operator.post("/installation/add/", {"name": "a\tb"}).content)
    assert not Client.objects.filter(name="a\tb").exists()
    alone = operator.post("/installation/add/", {"name": "Alone"})
    assert "Nobody belongs to it yet" in text_of(alone.content)
    assert "Alone" in text_of(operator.get("/installation/?q=alo").content)
    assert "Alone" not in text_of(operator.get("/installation/?q=bak").content)
    listed = text_of(operator.get("/installation/people/?q=OWNER@bak").content)
    assert "owner@bakery.test" in listed and "acme.test" not in listed
