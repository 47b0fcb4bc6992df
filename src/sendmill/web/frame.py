"""What the base template shows on every page; a context processor."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from sendmill.accounts.access import Access
from sendmill.web.navigation import BELOW, SECTIONS, Section


def frame(request: HttpRequest) -> dict[str, Any]:
    """The current client, what its user may do, and the navigation. Empty before sign-in."""
    access = getattr(request, "access", Access.ANYONE)
    return {
        "client": getattr(request, "client", None),
        "may_edit": access >= Access.EDITOR,
        "may_own": access >= Access.OWNER,
        "is_operator": access >= Access.OPERATOR,
        "sections": _entries(SECTIONS, access, request.path),
        "section_pages": _entries(_below(request.path), access, request.path),
    }


def _below(path: str) -> tuple[Section, ...]:
    return next((pages for beginning, pages in BELOW.items() if path.startswith(beginning)), ())


def _entries(sections: tuple[Section, ...], access: Access, path: str) -> list[dict[str, Any]]:
    """Those that somebody may see. The one that the path is nearest to is the current one."""
    shown = [(section, reverse(section.route)) for section in sections if access >= section.access]
    above = [url for _, url in shown if path == url or (url != "/" and path.startswith(url))]
    current = max(above, key=len, default="")
    return [
        {"title": section.title, "icon": section.icon, "url": url, "is_current": url == current}
        for section, url in shown
    ]
