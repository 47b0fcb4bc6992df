"""A message's HTML in a frame of its own: an origin without rights, no scripts, no forms, nothing from elsewhere.

The frame is sandboxed twice, by the page's `sandbox` attribute and by this answer's policy, so that its address opened
by itself is as harmless.
"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from sendmill.content.preview import MessagePreview

_POLICY = (
    "sandbox; default-src 'none'; img-src {images}; style-src 'unsafe-inline'; font-src data:; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'self'"
)
_OWN_IMAGES = "data:"
_ALL_IMAGES = "data: https: http:"
# What a mail program with a dark theme does to a message that says nothing of colours.
_DARK = "<style>:root{color-scheme:dark}</style>"


def message(
    request: HttpRequest, preview: MessagePreview, *, loads_images: bool = False, is_dark: bool = False
) -> HttpResponse:
    """The message. `loads_images` lets the viewer's browser fetch pictures from where the message has them."""
    if preview.html is None:
        response = render(request, "web/messages/text_frame.html", {"text": preview.text, "is_dark": is_dark})
    else:
        response = HttpResponse(f"{_DARK if is_dark else ''}{preview.html}")
    return _isolated(response, _ALL_IMAGES if loads_images else _OWN_IMAGES)


def problem(request: HttpRequest, reason: str) -> HttpResponse:
    """Why there is nothing to be seen."""
    return _isolated(render(request, "web/messages/text_frame.html", {"text": reason, "is_problem": True}), _OWN_IMAGES)


def _isolated(response: HttpResponse, images: str) -> HttpResponse:
    response["Content-Security-Policy"] = _POLICY.format(images=images)
    response["Referrer-Policy"] = "no-referrer"
    response["Cross-Origin-Opener-Policy"] = "same-origin"
    return response
