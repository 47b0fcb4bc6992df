"""A program that uses the API, as a client of ours would write it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

#: A file part: its name and its bytes.
File = tuple[str, bytes]

_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Response:
    """An answer of the server, as it came: nothing is followed, repaired or raised."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body parsed, with objects' keys in the order they came. Raises AssertionError if it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise AssertionError(f"status {self.status}, and no JSON: {self.body[:500]!r}") from None

    def expect(self, status: int) -> "Response":
        """Itself, if the status is this one. Raises AssertionError that shows the answer."""
        assert self.status == status, f"status {self.status}, not {status}: {self.body[:2000]!r}"
        return self


class ApiClient:
    """Requests with a client's token. Paths are relative to `base`: "/email/senderid/" or "/api/v1/email/senderid/"."""

    def __init__(self, base: str, token: str | None, client_id: str = "") -> None:
        self.base = base.rstrip("/")
        self.token = token
        self.client_id = client_id
        self._session = requests.Session()

    def get(self, path: str, **query: object) -> Response:
        return self.request("GET", path, query=query)

    def delete(self, path: str, **query: object) -> Response:
        return self.request("DELETE", path, query=query)

    def post(self, path: str, body: object = None, **query: object) -> Response:
        """`body` is sent as JSON."""
        return self.request("POST", path, query=query, json=body)

    def put(self, path: str, body: object = None, **query: object) -> Response:
        """`body` is sent as JSON."""
        return self.request("PUT", path, query=query, json=body)

    def post_multipart(
        self, path: str, fields: Mapping[str, object] = {}, files: Mapping[str, File] = {}, **query: object
    ) -> Response:
        """Form fields and file parts. What is no text travels as JSON, as `attributes` does."""
        parts: list[tuple[str, tuple[str | None, Any]]] = [
            (name, (None, value if isinstance(value, str) else json.dumps(value))) for name, value in fields.items()
        ]
        parts += [(name, file) for name, file in files.items()]
        return self.request("POST", path, query=query, files=parts)

    def request(self, method: str, path: str, query: Mapping[str, object] = {}, **options: Any) -> Response:
        """Any request; `options` are those of `requests`. Redirects are not followed."""
        headers = {**({"Authorization": f"Token {self.token}"} if self.token else {}), **options.pop("headers", {})}
        response = self._session.request(
            method, self.base + path, params=dict(query), headers=headers, allow_redirects=False,
            timeout=_TIMEOUT_SECONDS, **options,
        )  # fmt: skip
        return Response(response.status_code, response.headers, response.content)
