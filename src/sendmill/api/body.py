"""Request bodies: streamed, bounded, and never silently short.

Granian streams a body as it is read, with back-pressure (300 MB uploaded: 4 MB more memory). When a client goes away
in the middle, though, its `wsgi.input` only ends, and what came looks like a whole, smaller upload. So the bytes are
counted, and where a chunked request doesn't say how many there are, a multipart body must end with its closing
delimiter.

Nor does Granian end what doesn't go on: a client that sends half a body and then nothing holds its thread as long as it
likes, and needs no token for that. So not all threads may wait for bodies: some are left for what has none.
"""

import codecs
import functools
import json
import tempfile
import threading
from collections.abc import Callable, Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions, parsers

from sendmill.api.exceptions import Incomplete, LengthRequired, TooLarge, Unavailable
from sendmill.api.rendering import json_answer

_TAIL_BYTES = 512
_READ_BYTES = 65536
_FORM = "application/x-www-form-urlencoded"
# Django reads the query in the body's charset too, so it must be one that extends ASCII. A charset that nobody knows
# counts as not given.
_CHARSETS = ("utf-8", "ascii", "iso8859-1", "cp1252")


MOST_RECEIVED_AT_ONCE = 48
"""Of the web process's 64 threads (`commands.run`)."""

_room = threading.BoundedSemaphore(MOST_RECEIVED_AT_ONCE)


class RequestBody:
    """A body that is read once, front to back. `length` in bytes, None if the client didn't say."""

    def __init__(self, source: Any, length: int | None, limit: int) -> None:
        self.length = length
        self.tail = b""
        self._source = source
        self._limit = limit
        self._received = 0
        self._has_ended = length == 0
        self._has_room = False

    def read(self, size: int | None = None) -> bytes:
        """Up to `size` bytes, b"" at the end. Raises Incomplete, TooLarge, and Unavailable if many others are read."""
        if not self._has_ended:
            self._take_room()
        wanted = self._limit + 1 if size is None or size < 0 else size
        data = self._read(wanted)
        if self._received == self.length or (wanted and not data):
            self._has_ended = True
            self.leave()
        return data

    def leave(self) -> None:
        """Nothing more is waited for: make room for others."""
        if self._has_room:
            self._has_room = False
            _room.release()

    def _take_room(self) -> None:
        if not self._has_room:
            if not _room.acquire(blocking=False):
                raise Unavailable("Too many requests are being received. Try again.")
            self._has_room = True

    def _read(self, wanted: int) -> bytes:
        data: bytes = self._source.read(wanted)
        asks_for_all = self.length is not None and wanted >= self.length
        if data and asks_for_all:  # and asks only once, taking what comes for all there is
            data = b"".join((data, *iter(lambda: self._source.read(_READ_BYTES), b"")))
        self._received += len(data)
        if self._received > self._limit:
            raise TooLarge
        is_at_end = not data or asks_for_all
        if wanted and is_at_end and self._received < (self.length or 0):
            raise Incomplete
        self.tail = (self.tail + data)[-_TAIL_BYTES:]
        return data

    def readline(self, size: int | None = None) -> bytes:
        """A piece of the body and not a line: Django reads what follows a multipart form by lines, to be rid of it,
        and a line may be as long as the body."""
        return self.read(_READ_BYTES)

    def close(self) -> None:
        """Django closes what it has read whole; the source is the server's to close."""


def bounded_body(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: refuses what is over the limit at once, and puts a `RequestBody` under the request."""

    def answer(request: HttpRequest) -> HttpResponse:
        limit = settings.SENDMILL_MAX_UPLOAD
        assert isinstance(request, WSGIRequest)
        length = _content_length(request)
        if length is None and request.content_type and request.environ.get("wsgi.input_terminated"):
            if request.content_type == _FORM:
                return json_answer(LengthRequired.status_code, {"detail": LengthRequired.default_detail})
            source = request.environ["wsgi.input"]
            # Django and REST framework take a missing length for an empty body.
            request.META["CONTENT_LENGTH"] = str(limit)
        else:
            source = request._stream
            length = length or 0
        if length is not None and length > limit:
            return json_answer(TooLarge.status_code, {"detail": f"A request may have no more than {limit} bytes."})
        if request.encoding and codecs.lookup(request.encoding).name not in _CHARSETS:
            return json_answer(400, {"detail": f'Unsupported charset "{request.encoding}".'})
        body = RequestBody(source, length, limit)
        request._stream = body  # type: ignore[assignment] # it is only ever read
        request.parse_file_upload = functools.partial(_parsed_form, request)  # type: ignore[method-assign]
        try:
            return get_response(request)
        finally:
            body.leave()

    return answer


def _parsed_form(request: WSGIRequest, meta: Mapping[str, Any], data: Any) -> Any:
    """A page's multipart form; what `MultiPartParser` is to the API. Raises MultiPartParserError and Incomplete."""
    try:
        parsed = HttpRequest.parse_file_upload(request, meta, data)
    except TypeError:  # as there
        raise MultiPartParserError("Invalid header of a part.") from None
    _ensure_ended(request)
    return parsed


def _ensure_ended(request: WSGIRequest) -> None:
    """Raise Incomplete for a multipart body of untold length that has no closing delimiter at its end."""
    body: Any = request._stream
    delimiter = f"--{(request.content_params or {}).get('boundary', '')}--".encode("latin-1", "replace")
    if body.length is None and body.tail and delimiter not in body.tail:
        raise Incomplete


class JSONParser(parsers.BaseParser):
    """A JSON object, bounded by DATA_UPLOAD_MAX_MEMORY_SIZE. Numbers with a fraction become their text.

    Of a key that occurs twice the last value counts, as with any reader that makes a dictionary.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = _read_bounded(stream)
        try:
            return parse_json(body.decode(_encoding(parser_context)).removeprefix("\ufeff")) if body else {}
        except UnicodeError as error:
            raise exceptions.ParseError(f"JSON parse error - {error}") from None


class FormParser(parsers.BaseParser):
    """A URL-encoded form, bounded by DATA_UPLOAD_MAX_MEMORY_SIZE."""

    media_type = _FORM

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> QueryDict:
        return QueryDict(_read_bounded(stream), encoding=_encoding(parser_context))


class MultiPartParser(parsers.MultiPartParser):
    """A multipart form; its files are spooled to disk."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        assert parser_context is not None
        try:
            parsed = super().parse(stream, media_type, parser_context)
        except TypeError:  # Python's reader of a part's header, over `filename*` beside `filename*0*` (RFC 2231 3)
            raise exceptions.ParseError("Multipart form parse error - Invalid header of a part.") from None
        _ensure_ended(parser_context["request"]._request)
        return parsed


class NamelessFileUploadHandler(FileUploadHandler):
    """Spools an upload to a file without a name in the data folder: whatever happens to this process, it is gone
    when nobody reads it any more, so there is nothing to clean up."""

    def new_file(self, *arguments: Any, **options: Any) -> None:
        super().new_file(*arguments, **options)
        self.file = tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115 - outlives this call

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.file.write(raw_data)

    def file_complete(self, file_size: int) -> "UploadedFile[bytes]":
        self.file.seek(0)
        return UploadedFile(
            file=self.file, name=self.file_name, content_type=self.content_type, size=file_size, charset=self.charset,
            content_type_extra=self.content_type_extra,
        )  # fmt: skip

    def upload_interrupted(self) -> None:
        if hasattr(self, "file"):
            self.file.close()


def parse_json(text: str) -> Any:
    """The value. Raises ParseError, also for what is nested too deeply or has a number that is no number."""
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise exceptions.ParseError(f"JSON parse error - {error}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"Out of range float values are not JSON compliant: '{name}'")


def _read_bounded(stream: IO[Any]) -> bytes:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    pieces: list[bytes] = []
    received = 0
    while piece := stream.read(_READ_BYTES):
        received += len(piece)
        if received > limit:
            raise TooLarge(f"A body of this type may have no more than {limit} bytes.")
        pieces.append(piece)
    return b"".join(pieces)


def _content_length(request: HttpRequest) -> int | None:
    text = str(request.META.get("CONTENT_LENGTH") or "")
    return int(text) if text.isascii() and text.isdigit() else None


def _encoding(context: Mapping[str, Any] | None) -> str:
    return str((context or {}).get("encoding", settings.DEFAULT_CHARSET))
