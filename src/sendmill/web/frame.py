"""What the base template shows on every page; a context processor."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from sendmill.accounts.access import Access
from sendmill.web.navigation import SECTIONS


def frame(request: HttpRequest) -> dict[str, Any]:
    """The current client, what its user may do, and the navigation. Empty before sign-in."""
    access = getattr(request, "access", Access.ANYONE)
    return {
        "client": getattr(request, "client", None),
        "may_edit": access >= Access.EDITOR,
        "may_own": access >= Access.OWNER,
        "is_operator": access >= Access.OPERATOR,
        "sections": [
            {"title": section.title, "icon": section.icon, "url": url, "is_current": _is_below(request.path, url)}
            for section in SECTIONS
            if access >= section.access
            for url in [reverse(section.route)]
        ],
    }


def _is_below(path: str, url: str) -> bool:
    return path == url if url == "/" else path.startswith(url)
