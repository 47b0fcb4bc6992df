"""Style sheets and scripts of the API's description and of recipients' pages."""

from django.contrib.staticfiles.views import serve
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase


def static_file(request: HttpRequest, path: str) -> HttpResponseBase:
    """One file, in one piece: streamed, it would hold a thread as long as whoever asked for it takes none of it. The
    largest has 1.4 MB."""
    found: HttpResponseBase = serve(request, path, insecure=True)
    if not found.streaming:
        return found
    answer = HttpResponse(b"".join(found.streaming_content), headers=dict(found.headers))  # type: ignore[attr-defined]
    found.close()
    return answer
