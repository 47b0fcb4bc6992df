"""Requests that Django can't construct are still answered in JSON."""

import io
import json
from typing import Any

import pytest

from sendmill.wsgi import application

pytestmark = pytest.mark.django_db  # before each request Django looks whether its connection is still good


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=hex",
        "application/json; charset*=nobody''x",
        "multipart/form-data; boundary*=a''b; boundary*0*=a''b",
        "x; \xff\xff=\xff",
    ],
)
@pytest.mark.parametrize("query", ["", "_id=%ff&\xff"])
def test_a_content_type_that_nobody_can_read(content_type: str, query: str) -> None:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/nowhere/", "QUERY_STRING": query, "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": "2", "SERVER_NAME": "x", "SERVER_PORT": "80", "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(b"{}"),
    }  # fmt: skip
    answers: list[tuple[str, dict[str, str]]] = []

    body = b"".join(application(environ, lambda status, headers, *_: answers.append((status, dict(headers)))))

    ((status, headers),) = answers
    assert status in ("400 Bad Request", "404 Not Found")
    assert headers["Content-Type"] == "application/json"
    assert list(json.loads(body)) == ["detail"]
