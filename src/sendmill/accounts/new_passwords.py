"""New passwords for those who have forgotten theirs: who has asked, and what the link in their mail has to hold.

Whoever asks leaves a row, known here or not: neither the answer nor how long it takes tells which. Who is known is
looked up by the scheduler, which sends the mail (`web.password_mail`).
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.utils import timezone
from django.utils.http import int_to_base36

from sendmill.accounts.models import PasswordRequest, User
from sendmill.addresses import MAX_ADDRESS_OCTETS

TRIED_FOR = timedelta(hours=1)
TRIED_AGAIN_AFTER = timedelta(minutes=1)
_AT_ONCE = 20


class NewPasswordTokens(PasswordResetTokenGenerator):
    """Django's, whose tokens end with the password and the next sign-in; a deactivation ends them too.

    The setting ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR names it.
    """

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        return f"{super()._make_hash_value(user, timestamp)}{user.deactivations}"


class Wanted(NamedTuple):
    """Somebody who is to get a link."""

    email: str
    key: str


def ask(email: str) -> None:
    """Have a link sent, soon, if somebody signs in with this address."""
    now = timezone.now()
    address = email.strip().lower()
    if len(address) <= MAX_ADDRESS_OCTETS:  # nobody has a longer one, nor has the column room for it
        PasswordRequest.objects.create(email=address, asked_on=now, next_try_on=now)


def due(now: datetime) -> list[int]:
    """The oldest requests that it is time for."""
    rows = PasswordRequest.objects.filter(next_try_on__lte=now).order_by("pk")
    return list(rows.values_list("pk", flat=True)[:_AT_ONCE])


def take(request_id: int, now: datetime) -> Wanted | None:
    """Take a request that is due: nobody else does for a minute, and if it isn't `finish`ed then, it is tried again.

    None if there is nothing to send: another was quicker, it is too old, or nobody has this address.
    """
    due_still = PasswordRequest.objects.filter(pk=request_id, next_try_on__lte=now)
    if not due_still.update(next_try_on=now + TRIED_AGAIN_AFTER):
        return None
    request = PasswordRequest.objects.filter(pk=request_id).first()
    if request is None:
        return None
    user = User.objects.filter(email=request.email, is_active=True).first()
    if user is None or request.asked_on + TRIED_FOR < now:
        finish(request_id)
        return None
    return Wanted(user.email, key_of(user))


def key_of(user: User) -> str:
    """What a link has to hold with which the user may choose a password, once."""
    return f"{int_to_base36(user.pk)}-{NewPasswordTokens().make_token(user)}"


def finish(request_id: int) -> None:
    """The link is on its way, or never will be."""
    PasswordRequest.objects.filter(pk=request_id).delete()
