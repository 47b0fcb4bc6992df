"""Lists as streamed JSON arrays: however many rows there are, one page of them is in memory.

Granian takes the next piece only when the client has taken the last (measured: a client that stops reading stops the
generator within 5 MB, one that goes away closes it), so a slow client costs a thread and no memory.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, TypeVar

import structlog
from django.db import connection
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from sendmill.api.rendering import CONTENT_TYPE, json_bytes

log = structlog.get_logger()

Row = TypeVar("Row")

_BUNDLE_BYTES = 128 * 1024


def stream_answer(request: Request, pieces: Iterable[bytes], content_type: str = CONTENT_TYPE) -> HttpResponseBase:
    """200 with `pieces` as the body. What is sent first is made before this returns, so that its errors are errors of
    the request; a later one can only end the stream, and leaves JSON that doesn't parse rather than a shorter list."""
    if request.method == "HEAD":
        return HttpResponse(content_type=content_type)
    bundles = _bundles(pieces)
    first = next(bundles, b"")
    return StreamingHttpResponse(chain([first], _logged(bundles, request.path)), content_type=content_type)


def array(elements: Iterable[bytes]) -> Iterator[bytes]:
    """One JSON array. Each piece of `elements` is one JSON element or several with commas between them."""
    opening = b"["
    for piece in elements:
        yield opening + piece
        opening = b","
    yield b"[]" if opening == b"[" else b"]"


def array_of_rows(pages: Iterable[list[Row]], shape: Callable[[Row], Any]) -> Iterator[bytes]:
    """The rows of all pages, none of which is empty, as one JSON array."""
    return array(json_bytes([shape(row) for row in page])[1:-1] for page in pages)


def array_of_streams(elements: Iterable[Iterable[bytes]]) -> Iterator[bytes]:
    """Elements that are streams of JSON themselves as one JSON array."""
    opening = b"["
    for element in elements:
        yield opening
        yield from element
        opening = b","
    yield b"[]" if opening == b"[" else b"]"


def object_with_array(
    head: dict[str, Any], name: str, pieces: Iterable[bytes], tail: dict[str, Any]
) -> Iterator[bytes]:
    """A JSON object with the keys of `head`, then `name` with a streamed array, then the keys of `tail`."""
    yield json_bytes(head)[:-1] + b"," + json_bytes(name) + b":"
    yield from pieces
    yield b"," + json_bytes(tail)[1:]


def _bundles(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces, joined to about `_BUNDLE_BYTES`. While the client takes one, this thread has no database connection:
    PostgreSQL has few, and on SQLite each has a cache of its own (a slow reader takes 4 MB instead of 8)."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _BUNDLE_BYTES:
            _release_connection()
            yield b"".join(waiting)
            waiting.clear()
            size = 0
    yield b"".join(waiting)


def _release_connection() -> None:
    if not connection.in_atomic_block:  # as everything is in tests
        connection.close()


def _logged(pieces: Iterator[bytes], path: str) -> Iterator[bytes]:
    try:
        yield from pieces
    except Exception as error:
        log.exception("api.stream_aborted", path=path, reason=str(error))
        raise
