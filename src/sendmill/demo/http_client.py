"""A small HTTP client for the public API, on the standard library alone."""

import http.client
import json
import secrets
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sendmill.demo.failure import DemoFailed

_TIMEOUT_SECONDS = 60.0


class FilePart(NamedTuple):
    """A file in a multipart form: its name, its media type and its bytes."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class Answer:
    """A response with the status that was expected. The names of its headers are in lower case."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed. Raises DemoFailed."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise DemoFailed(f"the server's answer is no JSON: {_start_of(self.body)}") from None


class HttpClient:
    """Talks to one server. With `token` set, every request carries it."""

    def __init__(self, host: str, port: int) -> None:
        self.token: str | None = None
        self._host = host
        self._port = port

    def get(self, path: str, **query: str) -> Answer:
        """GET, which must answer 200. Raises DemoFailed."""
        return self.request("GET", path, 200, query=query)

    def post_json(self, path: str, body: object, expected: int = 201) -> Answer:
        """POST of a JSON body. Raises DemoFailed."""
        return self.request("POST", path, expected, "application/json", json.dumps(body).encode())

    def post_form(self, path: str, parts: Mapping[str, str | FilePart], expected: int = 201) -> Answer:
        """POST of a multipart form. Raises DemoFailed."""
        boundary = secrets.token_hex(16)
        return self.request(
            "POST", path, expected, f"multipart/form-data; boundary={boundary}", _multipart(parts, boundary)
        )

    def request(
        self,
        method: str,
        path: str,
        expected: int,
        media_type: str | None = None,
        body: bytes | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request on a connection of its own. Raises DemoFailed when its status isn't `expected`, or none came."""
        target = f"{path}?{urllib.parse.urlencode(query)}" if query else path
        headers = {"Content-Type": media_type} if media_type else {}
        if self.token:
            headers["Authorization"] = f"Token {self.token}"
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise DemoFailed(
                f"{method} {target}: the server gave no answer ({error or type(error).__name__})"
            ) from None
        finally:
            connection.close()
        if response.status != expected:
            raise DemoFailed(f"{method} {target}: status {response.status}, not {expected}: {_start_of(content)}")
        return Answer({name.lower(): value for name, value in response.getheaders()}, content)


def _multipart(parts: Mapping[str, str | FilePart], boundary: str) -> bytes:
    """RFC 7578. The names are this program's own, so nothing in them needs escaping."""
    pieces = []
    for name, part in parts.items():
        disposition = f'Content-Disposition: form-data; name="{name}"'
        if isinstance(part, FilePart):
            head = f'{disposition}; filename="{part.name}"\r\nContent-Type: {part.media_type}'
            content = part.content
        else:
            head, content = disposition, part.encode()
        pieces.append(f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n")
    return b"".join(pieces) + f"--{boundary}--\r\n".encode()


def _start_of(content: bytes) -> str:
    return " ".join(content[:300].decode("utf-8", "replace").split())
