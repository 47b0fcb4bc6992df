"""What every answer says about itself to browsers: where its parts may come from, and who may show it."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

Handler = Callable[[HttpRequest], HttpResponse]

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # Tabler has its form controls' marks in data: addresses
        "font-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HSTS = "max-age=31536000"


def security_headers(get_response: Handler) -> Handler:
    """Middleware. A view that needs another policy, such as a message's preview, sets its own."""
    is_https = settings.SENDMILL_PUBLIC_URL.startswith("https://")

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "same-origin")
        if response.headers.get("Content-Type", "").startswith("text/html"):
            response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
            response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        if is_https:
            response.headers.setdefault("Strict-Transport-Security", _HSTS)
        return response

    return answer
