"""The audit log: of a client among its settings, of the installation among the operators' pages."""

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render

from sendmill.accounts import audit
from sendmill.accounts.models import ApiToken, Client, Kind, User
from sendmill.web.paging import read_number
from sendmill.web.requests import PageRequest

MOST_SUGGESTED = 200


def show(request: PageRequest) -> HttpResponse:
    """Who did what for the client, newest first, in pages; narrowed by `actor` and `kind`."""
    members = User.objects.filter(memberships__client=request.client)
    programs = ApiToken.objects.filter(client=request.client, user=None).order_by("-pk")[:MOST_SUGGESTED]
    return _page(request, request.client, members, [str(token) for token in programs])


def show_installation(request: PageRequest) -> HttpResponse:
    """The same for what concerns no client alone."""
    return _page(request, None, User.objects.filter(is_superuser=True), [])


def _page(request: PageRequest, client: Client | None, people: QuerySet[User], programs: list[str]) -> HttpResponse:
    actor, kind = request.GET.get("actor", "").strip(), request.GET.get("kind", "")
    before = read_number(request, "before")
    found = audit.entries(client, before=before, actor=actor, kind=kind if kind in Kind.values else "")
    page = found[: audit.PAGE_ROWS]
    emails = people.order_by("email").values_list("email", flat=True)[:MOST_SUGGESTED]
    query = request.GET.copy()
    query.pop("before", None)
    newer = f"?{query.urlencode()}" if before is not None else ""
    if page:
        query["before"] = str(page[-1].pk)
    context = {
        "entries": page, "older": f"?{query.urlencode()}" if len(found) > len(page) else "", "newer": newer,
        "actor": actor, "kind": kind, "kinds": Kind.choices, "actors": [*emails, *programs],
        "is_narrowed": bool(actor or kind),
    }  # fmt: skip
    template = "web/settings/audit.html" if client else "web/installation/audit.html"
    return render(request, template, context)
