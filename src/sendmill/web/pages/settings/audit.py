"""Settings: the audit log."""

from django.http import HttpResponse
from django.shortcuts import render

from sendmill.accounts import audit
from sendmill.web.requests import PageRequest


def show(request: PageRequest) -> HttpResponse:
    """Who did what, newest first, in pages."""
    before = request.GET.get("before", "")
    found = audit.entries(request.client, before=int(before) if before.isascii() and before.isdigit() else None)
    page = found[: audit.PAGE_ROWS]
    older = f"?before={page[-1].pk}" if len(found) > len(page) else ""
    newer = request.path if before else ""
    return render(request, "web/settings/audit.html", {"entries": page, "older": older, "newer": newer})
