"""API tokens: issuing them, and telling from one who is calling."""

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from sendmill.accounts.models import ApiToken, Client, Membership, Role, User
from sendmill.accounts.names import checked_name
from sendmill.errors import NotFound

OF_LOGIN = "login"
"""The name of tokens that were issued for a user name and a password."""

LOGIN_TOKENS_KEPT = 100
"""A login can't show an older token again, for only its hash is stored, so every login makes a new one."""

_USE_IS_NOTED_AFTER = timedelta(hours=1)
_PREFIX_LENGTH = 8
_is_token = re.compile(r"[0-9a-f]{40}").fullmatch


def issue_token(client: Client, user: User | None, name: str) -> str:
    """A new token of 40 hex digits for `client`, as the user if one is given. It can't be shown a second time."""
    text = secrets.token_hex(20)
    ApiToken.objects.create(client=client, user=user, name=name, prefix=text[:_PREFIX_LENGTH], digest=_digest(text))
    return text


def issue_named_token(client: Client, name: str) -> str:
    """A new token for a program of the client's, whoever makes it. Raises InvalidField("name")."""
    return issue_token(client, None, checked_name(name))


def tokens_of(client: Client) -> list[ApiToken]:
    """The client's tokens but those of logins, newest first: few, as people make them."""
    return list(_listed(client).select_related("user").order_by("-pk"))


def revoke_token(client: Client, token_id: int) -> str:
    """End a token at once; its name. Raises NotFound."""
    found = _listed(client).filter(pk=token_id).first()
    if found is None:
        raise NotFound("There is no such token.")
    found.delete()
    return found.name


def _listed(client: Client) -> QuerySet[ApiToken]:
    """Not those of logins, which are a user's; a program's may be called the same."""
    return ApiToken.objects.filter(client=client).exclude(name=OF_LOGIN, user__isnull=False)


@transaction.atomic
def issue_login_token(client: Client, user: User) -> str:
    """A new token for a user who has just logged in. Of a user's login tokens the last used ones are kept."""
    text = issue_token(client, user, OF_LOGIN)
    of_logins = ApiToken.objects.filter(user=user, name=OF_LOGIN)
    by_use = of_logins.order_by(Coalesce(F("last_used_on"), F("created_on")).desc(), "-pk")
    surplus = by_use.values_list("pk", flat=True)[LOGIN_TOKENS_KEPT:]
    ApiToken.objects.filter(pk__in=list(surplus)).delete()
    return text


def end_logins(user: User) -> None:
    """End the tokens of a user's logins: they were given for a password that is no more."""
    ApiToken.objects.filter(user=user, name=OF_LOGIN).delete()


def authenticate_token(text: str) -> ApiToken | None:
    """The token, with its client and its user loaded, or None if there is none like it that may be used.

    A user's token stops working when the user is deactivated or leaves the client. Its use is noted at most once an
    hour, so that a busy program doesn't write a row with every request.
    """
    if not _is_token(text):
        return None
    digest = _digest(text)
    candidates = ApiToken.objects.filter(prefix=text[:_PREFIX_LENGTH]).select_related("client", "user")
    token = next((found for found in candidates if hmac.compare_digest(found.digest, digest)), None)
    if token is None or (token.user is not None and role_in(token.client, token.user) is None):
        return None
    _note_use(token, timezone.now())
    return token


def role_in(client: Client, user: User) -> Role | None:
    """What the user may do for the client; None for one who is deactivated or no member."""
    if not user.is_active:
        return None
    role = Membership.objects.filter(client=client, user=user).values_list("role", flat=True).first()
    return Role(role) if role else None


def _note_use(token: ApiToken, now: datetime) -> None:
    if token.last_used_on is None or now - token.last_used_on > _USE_IS_NOTED_AFTER:
        ApiToken.objects.filter(pk=token.pk).update(last_used_on=now)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()
