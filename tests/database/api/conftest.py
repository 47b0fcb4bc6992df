"""Two clients and a program for each of them, which talks through Django's whole stack of middleware."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.http.response import HttpResponseBase
from rest_framework.test import APIClient

from sendmill.accounts.clients import add_client
from sendmill.accounts.models import Client


class Program:
    """A program that uses the API with a token. Bodies are sent as JSON unless a test says otherwise."""

    def __init__(self, token: str | None) -> None:
        headers = {"HTTP_AUTHORIZATION": f"Token {token}"} if token else {}
        self.http = APIClient(raise_request_exception=False, **headers)

    def get(self, path: str, **query: str) -> "Answer":
        return Answer(self.http.get(path, query))

    def post(self, path: str, body: Any = None) -> "Answer":
        return Answer(self.http.post(path, json.dumps(body), content_type="application/json"))

    def put(self, path: str, body: Any = None) -> "Answer":
        return Answer(self.http.put(path, json.dumps(body), content_type="application/json"))

    def delete(self, path: str) -> "Answer":
        return Answer(self.http.delete(path))

    def send(
        self, method: str, path: str, body: bytes = b"", content_type: str = "application/json", **meta: Any
    ) -> "Answer":
        """Any request, as raw as the test client can make it."""
        return Answer(self.http.generic(method, path, body, content_type, **meta))

    def upload(self, path: str, fields: dict[str, Any]) -> "Answer":
        return Answer(self.http.post(path, fields, format="multipart"))


class Answer:
    """An answer that has come in whole."""

    def __init__(self, response: HttpResponseBase) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.content_type = response.headers.get("Content-Type")
        self.body: bytes = b"".join(response.streaming_content) if response.streaming else response.content

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        """The id of the one object in the answer."""
        return self.json["$_id"]["$oid"]

    def expect(self, status: int) -> "Answer":
        assert self.status == status, f"{self.status}: {self.body[:1000]!r}"
        return self


class Tenant(NamedTuple):
    """A client, and a program that uses the API with its token."""

    client: Client
    api: Program


@pytest.fixture
def new_tenant(db: None) -> Callable[[str], Tenant]:
    def make(name: str) -> Tenant:
        client, _, token = add_client(name, f"{name}@example.com")
        return Tenant(client, Program(token))

    return make


@pytest.fixture
def acme(new_tenant: Callable[[str], Tenant]) -> Tenant:
    return new_tenant("acme")


@pytest.fixture
def other(new_tenant: Callable[[str], Tenant]) -> Tenant:
    return new_tenant("other")


@pytest.fixture
def api(acme: Tenant) -> Program:
    return acme.api
