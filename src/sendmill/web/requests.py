"""A page's request: what its guard has found out about who is asking."""

from typing import TYPE_CHECKING

from django.http import HttpRequest

from sendmill.accounts import audit
from sendmill.accounts.access import Access
from sendmill.accounts.models import Client, Kind, User

_KINDS = {
    "campaigns": Kind.CAMPAIGNS,
    "messages": Kind.MESSAGES,
    "contacts": Kind.CONTACTS,
    "opt-outs": Kind.OPTOUTS,
    "senders": Kind.SENDERS,
    "settings": Kind.SETTINGS,
    "settings/people": Kind.PEOPLE,
    "settings/invitations": Kind.PEOPLE,
    "settings/tokens": Kind.TOKENS,
}
"""By the beginning of a path; the longest counts."""


class PageRequest(HttpRequest):
    """What a view of a page gets. `client` is there from VIEWER on; only `web.guard` makes one."""

    if TYPE_CHECKING:
        user: User
        client: Client
        access: Access


def is_partial(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of the page, to put into the one that is shown."""
    return request.headers.get("HX-Request") == "true"


def record(request: PageRequest, action: str, subject: str = "") -> None:
    """Note in the client's audit log what the user has just done. Every page that changes something does it."""
    audit.record(request.client, audit.person(request.user), _kind_of(request.path), action, subject)


def _kind_of(path: str) -> Kind:
    section, _, page = path.strip("/").partition("/")
    return _KINDS.get(f"{section}/{page.partition('/')[0]}") or _KINDS[section]
