"""The audit log: who did what, when, for which client. Entries are only ever added, until they are old (`prune`).

Pages, the API and the command line each have one `record` of their own (`web.requests`, `api.audit`,
`commands.audit`), which knows who is acting.
"""

import getpass
from collections.abc import Callable
from typing import NamedTuple

from django.utils import timezone

from sendmill.accounts.models import ApiToken, AuditEntry, Client, Kind, User, Via

PAGE_ROWS = 50
MAX_SUBJECT_LENGTH = 500


class Actor(NamedTuple):
    """Who does something, and by what."""

    name: str
    via: Via
    user: User | None = None
    token: str = ""


def person(user: User, via: Via = Via.DASHBOARD) -> Actor:
    """Somebody who has signed in."""
    return Actor(user.email, via, user)


def program(token: ApiToken) -> Actor:
    """Who uses an API token: its user, and for a token that is nobody's the token itself."""
    return Actor(token.user.email if token.user else str(token), Via.API, token.user, str(token))


def command_line() -> Actor:
    """The system's user who runs a command."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        name = "unknown"
    return Actor(f"{name} (command line)", Via.COMMAND)


def record(client: Client | None, actor: Actor, kind: Kind, action: str, subject: str = "") -> None:
    """Note that `actor` did `action` ("paused a campaign") to `subject` (its name, as a person knows it).

    To be called in the transaction of the act itself where there is one, so that neither is without the other. Without
    a client it concerns the installation.
    """
    AuditEntry.objects.create(
        client=client,
        user=actor.user,
        actor=actor.name,
        via=actor.via,
        token=actor.token,
        kind=kind,
        action=action,
        subject=subject[:MAX_SUBJECT_LENGTH],
        happened_on=timezone.now(),
    )


def entries(client: Client | None, *, before: int | None = None, actor: str = "", kind: str = "") -> list[AuditEntry]:
    """One page of the entries and one entry more if there are further ones, newest first: those of this actor and of
    this kind, where one is named. Without a client those of the installation."""
    narrowed = {"actor": actor} if actor else {}
    narrowed |= {"kind": kind} if kind else {}
    rows = AuditEntry.objects.filter(client=client, **narrowed).order_by("-pk")
    return list((rows if before is None else rows.filter(pk__lt=before))[: PAGE_ROWS + 1])


def replace_in_log(client: Client, replace: Callable[[str], str], *, after: int, at_most: int) -> int | None:
    """Change the subjects of the next entries behind `after`: somebody's address in them, when they are erased.

    The last one's key, to go on behind; None if there are no more. Programs may have left a million.
    """
    page = AuditEntry.objects.filter(client=client, pk__gt=after).order_by("pk").only("subject")[:at_most]
    last = None
    for entry in page:
        last = entry.pk
        replaced = replace(entry.subject)
        if replaced != entry.subject:
            AuditEntry.objects.filter(pk=entry.pk).update(subject=replaced)
    return last
