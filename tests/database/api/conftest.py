"""Two clients and a program for each of them, which talks through Django's whole stack of middleware."""

from typing import NamedTuple

import pytest
from rest_framework.test import APIClient

from sendmill.accounts.clients import add_client
from sendmill.accounts.models import Client


class Tenant(NamedTuple):
    """A client and a program that uses the API with its token."""

    client: Client
    api: APIClient


def tenant(name: str) -> Tenant:
    client, _, token = add_client(name, f"{name}@example.com")
    return Tenant(client, APIClient(raise_request_exception=False, HTTP_AUTHORIZATION=f"Token {token}"))


@pytest.fixture
def acme(db: None) -> Tenant:
    return tenant("acme")


@pytest.fixture
def other(db: None) -> Tenant:
    return tenant("other")


@pytest.fixture
def api(acme: Tenant) -> APIClient:
    return acme.api
