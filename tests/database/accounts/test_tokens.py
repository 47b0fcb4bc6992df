"""API tokens: stored as hashes, shown once, and worth nothing when their user may not act any more."""

import re
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from sendmill.accounts.clients import NewClient, add_client, client_of, find_client
from sendmill.accounts.models import ApiToken, Client, Membership, User
from sendmill.accounts.tokens import LOGIN_TOKENS_KEPT, authenticate_token, issue_login_token, issue_token
from sendmill.errors import InvalidField, NotFound

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> NewClient:
    return add_client("Acme", "Owner@Acme.example")


def test_a_token_is_40_hex_digits_of_which_the_database_knows_a_hash(acme: NewClient) -> None:
    text = issue_token(acme.client, None, "program")

    assert re.fullmatch("[0-9a-f]{40}", text)
    stored = ApiToken.objects.filter(name="program").values().get()
    assert not any(text in str(value) for value in stored.values())
    token = authenticate_token(text)
    assert token is not None
    assert (token.client, token.user, token.name) == (acme.client, None, "program")


def test_nothing_else_is_a_token(acme: NewClient) -> None:
    text = issue_token(acme.client, None, "program")
    same_prefix = text[:-1] + ("0" if text[-1] != "0" else "1")

    for wrong in ("", same_prefix, text.upper() + " ", text[:39], text + "0", "٣" * 40, "z" * 40, text[:8] + "\0" * 32):
        assert authenticate_token(wrong) is None


def test_tokens_with_the_same_prefix_are_told_apart(acme: NewClient) -> None:
    """32 bits of prefix: some two of 100,000 tokens share it, more likely than not."""
    mine = issue_token(acme.client, None, "mine")
    stranger = Client.objects.create(name="stranger")
    ApiToken.objects.create(client=stranger, name="theirs", prefix=mine[:8], digest="0" * 64)

    token = authenticate_token(mine)

    assert token is not None
    assert token.client == acme.client


def test_a_user_who_is_deactivated_or_leaves_takes_the_token_along(acme: NewClient) -> None:
    assert authenticate_token(acme.token)

    acme.user.is_active = False
    acme.user.save()
    assert authenticate_token(acme.token) is None

    acme.user.is_active = True
    acme.user.save()
    assert authenticate_token(acme.token)

    Membership.objects.filter(user=acme.user).delete()
    assert authenticate_token(acme.token) is None


def test_use_is_noted_at_most_once_an_hour(acme: NewClient) -> None:
    def last_use() -> datetime | None:
        authenticate_token(acme.token)
        return ApiToken.objects.get().last_used_on

    first = last_use()
    assert first is not None
    assert last_use() == first

    ApiToken.objects.update(last_used_on=timezone.now() - timedelta(minutes=59))
    recent = ApiToken.objects.get().last_used_on
    assert last_use() == recent

    ApiToken.objects.update(last_used_on=timezone.now() - timedelta(minutes=61))
    latest = last_use()
    assert latest is not None
    assert latest > timezone.now() - timedelta(minutes=1)


def test_of_login_tokens_the_last_used_ones_are_kept(acme: NewClient) -> None:
    unused, used = (issue_login_token(acme.client, acme.user) for _ in range(2))
    named = issue_token(acme.client, acme.user, "program")
    newer = [issue_login_token(acme.client, acme.user) for _ in range(3)]
    authenticate_token(used)
    newest = [issue_login_token(acme.client, acme.user) for _ in range(LOGIN_TOKENS_KEPT - 1)]

    assert ApiToken.objects.filter(name="login").count() == LOGIN_TOKENS_KEPT
    assert [authenticate_token(token) for token in (unused, *newer)] == [None] * 4
    assert all(authenticate_token(token) for token in (used, *newest))
    assert authenticate_token(named)
    assert authenticate_token(acme.token)


def test_a_new_client_has_an_owner_and_a_token(acme: NewClient) -> None:
    token = authenticate_token(acme.token)

    assert token is not None
    assert (token.client, token.user) == (acme.client, acme.user)
    assert acme.user.email == "owner@acme.example"
    assert not acme.user.has_usable_password()
    assert client_of(acme.user) == acme.client
    assert find_client(acme.client.object_id.upper()) == acme.client


@pytest.mark.parametrize(
    ("name", "email", "password", "field"),
    [
        ("", "a@b.ch", None, "name"),
        (" \t", "a@b.ch", None, "name"),
        ("x" * 201, "a@b.ch", None, "name"),
        ("a\0b", "a@b.ch", None, "name"),
        ("a\nb", "a@b.ch", None, "name"),
        ("a", "nonsense", None, "email"),
        ("a", "", None, "email"),
        ("a", " OWNER@acme.example ", None, "email"),
        ("a", "a@b.ch", "", "password"),
    ],
)
def test_a_wrong_client_leaves_nothing_behind(
    acme: NewClient, name: str, email: str, password: str | None, field: str
) -> None:
    with pytest.raises(InvalidField) as error:
        add_client(name, email, password)

    assert error.value.path == (field,)
    assert Client.objects.count() == User.objects.count() == ApiToken.objects.count() == 1


def test_no_such_client() -> None:
    for object_id in ("", "nonsense", "57bb010e2cd5264797b017e5"):
        with pytest.raises(NotFound):
            find_client(object_id)
