"""An opt-out must not fail for what its request's body looks like: nobody reads it (RFC 8058 3.2)."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from sendmill.links import UNSUBSCRIBE

_PREFIX = f"/{UNSUBSCRIBE.path}/"


def without_body(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: a request to unsubscribe counts as one without a body."""

    def answer(request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(_PREFIX):
            request.META.update(CONTENT_LENGTH="0", CONTENT_TYPE="")
            request.content_type, request.content_params = "", {}
            request.encoding = settings.DEFAULT_CHARSET
        return get_response(request)

    return answer
