"""The description and the page to browse it: all that is served is in it, and nothing comes from elsewhere."""

import re
from typing import Any

import pytest

from sendmill import urls
from tests.database.api.conftest import Program

DOCUMENTED = {
    "/auth/api-token-auth/": {"post"},
    "/email/senderid/": {"get", "post", "put", "delete"},
    "/email/optout/": {"get", "post", "put", "delete"},
    "/email/optout/bulk/add/": {"post"},
    "/email/optout/bulk/delete/": {"post"},
    "/email/contact/": {"get", "post", "put", "delete"},
    "/email/contact/bulk/replace/": {"post"},
    "/email/contact/bulk/update/": {"post"},
    "/email/contact/bulk/delete/": {"post"},
    "/email/message/": {"get", "post", "put", "delete"},
    "/email/result/filter/": {"get"},
    "/email/campaign/": {"get", "post", "put"},
}
ADDITIONS = {
    "/email/import/": {"get", "post"},
    "/email/import/rejected/": {"get"},
    "/email/campaign/progress/": {"get"},
    "/email/campaign/retry/": {"post"},
    "/email/contact/erase/": {"get", "post"},
    "/email/contact/export/": {"get"},
    "/email/result/export/": {"get"},
    "/email/result/history/": {"get"},
}


@pytest.fixture
def description(db: None) -> dict[str, Any]:
    answer = Program(None).get("/api/v1/schema/").expect(200)
    assert answer.content_type == "application/json"
    return answer.json


def test_every_operation_is_described(description: dict[str, Any]) -> None:
    described = {path: set(methods) for path, methods in description["paths"].items()}

    assert described == DOCUMENTED | ADDITIONS
    assert len(described) == len(urls.api)
    ids = [operation["operationId"] for methods in description["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))


def test_what_is_referred_to_is_there(description: dict[str, Any]) -> None:
    for name in set(re.findall(r"#/components/schemas/(\w+)", str(description))):
        assert name in description["components"]["schemas"]


def test_get_answers_with_a_list_or_one(description: dict[str, Any]) -> None:
    for path in ("/email/senderid/", "/email/optout/", "/email/contact/", "/email/message/", "/email/campaign/"):
        operation = description["paths"][path]["get"]
        listed, one = operation["responses"]["200"]["content"]["application/json"]["schema"]["oneOf"]
        assert (listed["type"], listed["items"]) == ("array", one)
        assert {"_id", "limit", "after"} == {parameter["name"] for parameter in operation["parameters"]}


def test_bulk_calls_tell_of_the_header(description: dict[str, Any]) -> None:
    for path, methods in description["paths"].items():
        if "/bulk/" in path:
            answer = methods["post"]["responses"]["200"]
            assert "Sendmill-Import" in answer["headers"]
            assert "content" not in answer
            assert list(methods["post"]["requestBody"]["content"]) == ["multipart/form-data"]


def test_no_docstring_is_shown(description: dict[str, Any]) -> None:
    assert "A subclass" not in str(description)
    assert "One path for a resource" not in str(description)


def test_the_page_needs_nothing_from_elsewhere(db: None) -> None:
    browser = Program(None)
    page = browser.get("/api/v1/docs/").expect(200)
    text = page.body.decode()

    assert page.content_type.startswith("text/html")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert "//" not in text
    addresses = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(addresses) == 4
    for address in addresses:
        assert browser.get(address).expect(200).body
    script = browser.get("/api/v1/docs/script.js").expect(200).body.decode()
    assert 'url: "/api/v1/schema/"' in script
    assert "validatorUrl: null" in script
    assert "//" not in script


def test_a_file_holds_no_thread_for_who_does_not_take_it(db: None) -> None:
    answer = Program(None).http.get("/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js")

    assert not answer.streaming
    assert len(answer.content) == int(answer["Content-Length"]) > 1_000_000
    again = Program(None).http.get(answer.request["PATH_INFO"], headers={"if-modified-since": answer["Last-Modified"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["nope.js", "../settings.py", "..%2f..%2fsettings.py", "%00", "drf_spectacular_sidecar/"]
)
def test_there_are_no_other_files(db: None, path: str) -> None:
    answer = Program(None).get(f"/static/{path}")

    assert answer.status in (400, 404)
    assert answer.content_type == "application/json"


def test_health(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from sendmill.api import health

    assert Program(None).get("/healthz").expect(200).json == {"status": "ok"}
    assert Program(None).get("/readyz").expect(200).json == {"status": "ok"}

    health._seen_current.clear()
    monkeypatch.setattr(health, "pending_migrations", lambda: ["contacts.0002_more"])
    answer = Program(None).get("/readyz").expect(503)
    assert answer.json["status"] == "unavailable"
    assert "sendmill migrate" in answer.json["detail"]


def test_health_without_a_database(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError, connection

    def refuse() -> None:
        raise OperationalError("connection refused by 192.0.2.1")

    with monkeypatch.context() as broken:
        broken.setattr(connection, "cursor", refuse)
        answer = Program(None).get("/readyz").expect(503)

    assert answer.json == {"status": "unavailable", "detail": "The database can't be reached."}
    Program(None).get("/healthz").expect(200)
