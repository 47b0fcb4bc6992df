"""What all requests have in common: slashes, methods, types, encodings, sizes; and errors that are always JSON."""

import json
from typing import Any

import pytest
from django.db import OperationalError
from pytest_django.fixtures import Settings

from sendmill.api import resources
from tests.database.api.conftest import Answer, Program

SENDER = {"description": "x", "email": "a@example.com"}
READS = [
    "/email/senderid", "/email/optout", "/email/contact", "/email/message", "/email/campaign", "/email/result/filter",
    "/email/import", "/email/import/rejected",
]  # fmt: skip
WRITES = [
    "/auth/api-token-auth", "/email/optout/bulk/add", "/email/optout/bulk/delete", "/email/contact/bulk/replace",
    "/email/contact/bulk/update", "/email/contact/bulk/delete",
]  # fmt: skip


@pytest.mark.parametrize("mount", ["", "/api/v1"])
@pytest.mark.parametrize("path", READS)
def test_a_read_without_the_slash_is_redirected_and_keeps_its_query(api: Program, mount: str, path: str) -> None:
    for method in ("GET", "HEAD"):
        answer = api.send(method, f"{mount}{path}?_id=1&x=%2F%20%C3%A9")
        assert answer.expect(301).headers["Location"] == f"{mount}{path}/?_id=1&x=%2F%20%C3%A9"
        assert (answer.body, answer.content_type) == (b"", "application/json")
    assert api.send("GET", mount + path).headers["Location"] == f"{mount}{path}/"


@pytest.mark.parametrize("mount", ["", "/api/v1"])
def test_a_write_without_the_slash_is_served(api: Program, mount: str) -> None:
    added = api.post(f"{mount}/email/senderid", SENDER).expect(201)
    api.put(f"{mount}/email/senderid?_id={added.id}", {"description": "y"}).expect(204)
    assert api.get("/email/senderid/", _id=added.id).json["description"] == "y"
    api.delete(f"{mount}/email/senderid?_id={added.id}").expect(204)
    for path in WRITES:
        assert api.post(mount + path).status in (400, 415)


@pytest.mark.parametrize(
    "path", ["/nope", "/email/", "/email/senderid//", "/email/senderid/1/", "//email/senderid", "/é\0"]
)
def test_an_unknown_path_is_404_in_json(api: Program, path: str) -> None:
    for method in ("GET", "POST", "PATCH"):
        answer = api.send(method, path).expect(404)
        assert answer.json == {"detail": "Not found."}
        assert answer.content_type == "application/json"


def test_a_method_that_is_not_allowed(api: Program) -> None:
    allowed = {path + "/": {"GET", "HEAD", "OPTIONS"} for path in READS}
    allowed |= {path + "/": {"POST", "OPTIONS"} for path in WRITES}
    for path in ("/email/senderid/", "/email/optout/", "/email/contact/", "/email/message/"):
        allowed[path] |= {"POST", "PUT", "DELETE"}
    allowed["/email/campaign/"] |= {"POST", "PUT"}
    allowed["/email/import/"] |= {"POST"}
    for path, methods in allowed.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "NONSENSE"} - methods:
            answer = api.send(method, path).expect(405)
            assert answer.json == {"detail": f'Method "{method}" not allowed.'}
            assert {name.strip() for name in answer.headers["Allow"].split(",")} == methods


def test_the_length_is_told_of_what_is_not_streamed(api: Program) -> None:
    added = api.post("/email/senderid/", SENDER)
    path = f"/email/senderid/?_id={added.id}"

    for answer in (added, api.get(path), api.get("/nope"), api.send("PATCH", path), api.send("OPTIONS", path)):
        assert int(answer.headers["Content-Length"]) == len(answer.body)
    for answer in (api.get("/email/senderid/"), api.send("HEAD", "/email/senderid/"), api.delete(path)):
        assert "Content-Length" not in answer.headers


def test_options_tells_the_methods(api: Program) -> None:
    answer = api.send("OPTIONS", "/email/senderid/").expect(200)

    assert answer.body == b""
    assert answer.headers["Allow"] == "GET, POST, PUT, DELETE, HEAD, OPTIONS"


def test_head_tells_what_get_would_without_a_body(api: Program) -> None:
    added = api.post("/email/senderid/", SENDER)

    for path in (*(path + "/" for path in READS[:5]), f"/email/senderid/?_id={added.id}"):
        answer = api.send("HEAD", path).expect(200)
        assert answer.body == b""
        assert answer.content_type == "application/json"
    api.send("HEAD", "/email/senderid/?_id=nonsense").expect(404)


@pytest.mark.parametrize("accept", ["text/html", "application/xml;q=1, */*;q=0", "nonsense", ""])
def test_the_answer_is_json_whatever_was_asked_for(api: Program, accept: str) -> None:
    for path, status in (("/email/senderid/", 200), ("/email/senderid/?format=xml", 200), ("/email/nope/", 404)):
        answer = api.send("GET", path, HTTP_ACCEPT=accept).expect(status)
        assert answer.content_type == "application/json"


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/merge-patch+json", "x", ""])
def test_an_unsupported_type(api: Program, content_type: str) -> None:
    answer = api.send("POST", "/email/senderid/", b"{}", content_type).expect(415)

    assert answer.json == {"detail": f'Unsupported media type "{content_type}" in request.'}


@pytest.mark.parametrize(
    "body",
    [
        b"{", b'{"email": }', b"\xff\xfe", b'{"email": "\xe9"}', b'{"email": NaN}', b'{"email": -Infinity}',
        b"[" * 100_000, b'{"a":' * 100_000, b"\0", b'{"email": ' + b"1" * 5000 + b"}", b"'", b"{}x",
    ],
    ids=lambda body: repr(body[:12]),
)  # fmt: skip
def test_a_body_that_is_no_json(api: Program, body: bytes) -> None:
    added = api.post("/email/senderid/", SENDER)

    for answer in (
        api.send("POST", "/email/senderid/", body),
        api.send("PUT", f"/email/senderid/?_id={added.id}", body),
    ):
        assert list(answer.expect(400).json) == ["detail"]
        assert answer.json["detail"].startswith("JSON parse error - ")
    assert api.get("/email/senderid/").json == [added.json]


@pytest.mark.parametrize("body", [[], [{}], "text", 5, None, True])
def test_json_that_is_no_object(api: Program, body: Any) -> None:
    answer = api.post("/email/senderid/", body).expect(400)

    reason = f"Invalid data. Expected a dictionary, but got {type(body).__name__}."
    assert answer.json == {"non_field_errors": [reason]}


def test_of_a_key_that_comes_twice_the_last_counts(api: Program) -> None:
    answer = api.send("POST", "/email/contact/", b'{"tag": "first", "tag": "last"}').expect(201)

    assert answer.json["tag"] == "last"


@pytest.mark.parametrize("charset", ["utf-8", "UTF8", "latin-1", "windows-1252", '"utf-8"', "nobody-knows-it"])
def test_charsets(api: Program, charset: str) -> None:
    encoding = {"latin-1": "latin-1", "windows-1252": "cp1252"}.get(charset, "utf-8")
    body = '{"tag": "Zoë"}'.encode(encoding)

    answer = api.send("POST", "/email/contact/", body, f"application/json; charset={charset}").expect(201)

    assert answer.json["tag"] == "Zoë"


def test_a_byte_order_mark_is_no_error(api: Program) -> None:
    assert api.send("POST", "/email/contact/", '\ufeff{"tag": "x"}'.encode()).expect(201).json["tag"] == "x"


@pytest.mark.parametrize("charset", ["utf-16", "hex", "idna", "rot13", "undefined", "unicode_escape"])
def test_charsets_in_which_ascii_is_something_else(api: Program, charset: str) -> None:
    for body, type_ in ((b'{"tag": "x"}', "application/json"), (b"tag=x", "application/x-www-form-urlencoded")):
        answer = api.send("POST", "/email/contact/", body, f"{type_}; charset={charset}").expect(400)
        assert answer.json == {"detail": f'Unsupported charset "{charset}".'}


def multipart(*parts: bytes, end: bytes = b"--X--\r\n") -> bytes:
    return b"".join(b"--X\r\n" + part + b"\r\n" for part in parts) + end


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=X", "multipart/form-data, boundary=X"])
def test_multipart_as_the_standard_and_as_the_reference_spells_it(api: Program, content_type: str) -> None:
    body = multipart(b'Content-Disposition: form-data; name="tag"\r\n\r\nZo\xc3\xab')

    assert api.send("POST", "/email/contact/", body, content_type).expect(201).json["tag"] == "Zoë"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--X--"),
        ("multipart/form-data; boundary=", b"--X--"),
        ("multipart/form-data; boundary=é", b"--X--"),
        ("multipart/form-data; boundary=X", b"no part at all"),
        ("multipart/form-data; boundary=X", multipart(b"Content-Disposition: form-data\r\n\r\nx")),
        ("multipart/form-data; boundary=X", multipart(b"\r\n\r\nx")),
        (
            "multipart/form-data; boundary=X",
            multipart(b"Content-Disposition: form-data; name=f; filename*=a''b; filename*0*=a''b\r\n\r\nx"),
        ),
        (
            "multipart/form-data; boundary=X",
            multipart(
                b'Content-Disposition: form-data; name="f"; filename="f"\r\nContent-Transfer-Encoding: base64\r\n\r\n='
            ),
        ),
        ("multipart/form-data; boundary=X", multipart(*[b'Content-Disposition: form-data; name="a"\r\n\r\nb'] * 1100)),
        (
            "multipart/form-data; boundary=X",
            multipart(*[b'Content-Disposition: form-data; name="a"; filename="b"\r\n\r\nc'] * 120),
        ),
        ("multipart/form-data; boundary=X", multipart(b"Content-Disposition: " + b"x" * 100_000 + b"\r\n\r\nx")),
    ],
)
def test_a_form_that_cannot_be_read(api: Program, content_type: str, body: bytes) -> None:
    answer = api.send("POST", "/email/contact/", body, content_type).expect(400)

    assert answer.content_type == "application/json"
    assert isinstance(answer.json, dict)


def test_too_many_fields_in_the_query_or_the_form(api: Program) -> None:
    many = "&".join(f"f{number}=1" for number in range(1001))

    for answer in (
        api.get(f"/email/senderid/?{many}"),
        api.send("POST", "/email/senderid/", many.encode(), "application/x-www-form-urlencoded"),
    ):
        assert answer.expect(400).json == {"detail": "The request has too many fields."}


@pytest.mark.parametrize("type_", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_is_in_memory_has_a_limit_of_its_own(api: Program, settings: Settings, type_: str) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10_000

    def post(size: int) -> Answer:
        body = {
            "application/json": json.dumps({"tag": "x" * size}).encode(),
            "application/x-www-form-urlencoded": b"tag=" + b"x" * size,
            "multipart/form-data": multipart(b'Content-Disposition: form-data; name="tag"\r\n\r\n' + b"x" * size),
        }[type_]
        return api.send("POST", "/email/contact/", body, f"{type_}; boundary=X")

    post(9_900).expect(201)
    answer = post(10_100).expect(413)
    assert list(answer.json) == ["detail"]
    assert answer.content_type == "application/json"


def test_a_request_over_the_limit_is_refused_before_it_is_read(api: Program, settings: Settings) -> None:
    settings.SENDMILL_MAX_UPLOAD = 1000

    api.send("POST", "/email/contact/", json.dumps({"tag": "x" * 900}).encode()).expect(201)
    answer = api.send("POST", "/email/contact/", json.dumps({"tag": "x" * 1000}).encode()).expect(413)

    assert answer.json == {"detail": "A request may have no more than 1000 bytes."}
    assert answer.content_type == "application/json"


def test_what_nobody_foresaw_is_json_with_an_id_to_find_it_by(
    api: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise RuntimeError("a secret of the machine")

    monkeypatch.setattr(resources, "find", break_down)

    answer = api.get("/email/senderid/", _id="57bb010e2cd5264797b017e5").expect(500)

    assert answer.content_type == "application/json"
    assert answer.json["detail"] == "A server error occurred."
    assert b"secret" not in answer.body
    assert answer.json["error_id"] in "".join(capsys.readouterr())  # standard output, unless logging is set up


def test_a_database_that_is_busy_or_away(api: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(resources, "find", break_down)

    answer = api.get("/email/senderid/", _id="57bb010e2cd5264797b017e5").expect(503)

    assert answer.headers["Retry-After"] == "5"
    assert b"locked" not in answer.body
