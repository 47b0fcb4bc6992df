"""Files to save, streamed: however long they are, one piece of them is in memory."""

from collections.abc import Iterable
from itertools import chain

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

CSV = "text/csv; charset=utf-8"
JSON = "application/json"


def download(pieces: Iterable[bytes], name: str, content_type: str = CSV) -> StreamingHttpResponse:
    """The first piece is made before this returns, so that its errors are errors of the request."""
    rest = iter(pieces)
    answer = StreamingHttpResponse(chain([next(rest, b"")], rest), content_type=content_type)
    answer["Content-Disposition"] = content_disposition_header(True, name) or ""
    return answer
