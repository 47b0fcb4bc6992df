"""The mail with a link to choose a new password. The scheduler sends it, so that no page waits for a mail server."""

from collections.abc import Sequence

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import timezone

from sendmill.accounts import new_passwords
from sendmill.delivery.notices import NoticeNotSent
from sendmill.delivery.tasks import Task

SECONDS_BETWEEN = 1.0


def password_tasks() -> list[Task]:
    """What any node may do; a mail server that doesn't answer may hold it for half a minute."""
    return [Task("send links for new passwords", _due, _send, SECONDS_BETWEEN)]


def link(key: str) -> str:
    """The page to choose a password on: below the public address, whatever host a request named.

    Not by reverse(): the scheduler needs no routes.
    """
    return f"{settings.SENDMILL_PUBLIC_URL}/password/{key}/"


def _due() -> Sequence[int]:
    return new_passwords.due(timezone.now())


def _send(request_id: int) -> bool:
    """Send one link; never more to do. What no relay takes is tried again, and the log says so (`notice.not_sent`)."""
    wanted = new_passwords.take(request_id, timezone.now())
    if wanted is not None:
        text = render_to_string("web/mail/new_password.txt", {"email": wanted.email, "link": link(wanted.key)})
        try:
            EmailMessage("A new password for Sendmill", text, to=[wanted.email]).send()
        except NoticeNotSent:
            return False
        new_passwords.finish(request_id)
    return False
