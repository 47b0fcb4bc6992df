"""The list of opt-outs in pages, and the search in it."""

from typing import NamedTuple

from django.db import connection
from django.db.models import Q

from sendmill.accounts.models import Client
from sendmill.addresses import prefix_key
from sendmill.optouts.models import OptOut

PAGE_ROWS = 50
_LAST_CHARACTER = "\U0010ffff"
_DIGITS = 19  # of a primary key there are fewer; Python reads no number of thousands


class OptOutPage(NamedTuple):
    """`next` is what the page after it begins behind, "" if there is none."""

    optouts: list[OptOut]
    next: str


def optout_page(client: Client, *, begins_with: str = "", after: str = "") -> OptOutPage:
    """All opt-outs, the newest first; or those whose address begins with a text, by address."""
    rows = OptOut.objects.filter(client=client)
    if begins_with:
        rows = rows.filter(begins(prefix_key(begins_with)), email_key__gt=after).order_by("email_key")
    else:
        rows = rows.order_by("-pk")
        if after.isdecimal() and len(after) < _DIGITS:
            rows = rows.filter(pk__lt=int(after))
    found = list(rows[: PAGE_ROWS + 1])
    if len(found) <= PAGE_ROWS:
        return OptOutPage(found, "")
    last = found[PAGE_ROWS - 1]
    return OptOutPage(found[:PAGE_ROWS], last.email_key if begins_with else str(last.pk))


def begins(prefix: str) -> Q:
    """That a key begins with this. SQLite compares octets, so it is a range of the index. PostgreSQL's collation may be
    any, in which it is none: there LIKE makes a range of it where it can."""
    if connection.vendor == "sqlite":
        return Q(email_key__gte=prefix, email_key__lt=prefix + _LAST_CHARACTER)
    return Q(email_key__startswith=prefix)
