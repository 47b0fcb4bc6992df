"""Clients with a person for each role, and browsers that are signed in as them."""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from django.test import Client as Browser
from pytest_django.fixtures import Settings
from structlog.testing import capture_logs

from sendmill.accounts.models import Client, Membership, Role, User
from tests.dns_server import DnsServer, dns_server

PASSWORD = "correct-horse-battery"
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@pytest.fixture(scope="session")
def empty_dns() -> Iterator[DnsServer]:
    with dns_server({}) as server:
        yield server


@pytest.fixture(autouse=True)
def asks_no_dns_outside(settings: Settings, empty_dns: DnsServer) -> None:
    """Pages that ask DNS get an answer at once, and nothing leaves this machine."""
    settings.SENDMILL_DNS_SERVERS = (empty_dns.address,)


@pytest.fixture(autouse=True)
def hashes_quickly(settings: Settings) -> None:
    """A password that is hashed as it ought to be takes a third of a second."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


class Tenant(NamedTuple):
    """A client and its people. `owner`, `editor` and `viewer` are browsers that are signed in."""

    client: Client
    owner: Browser
    editor: Browser
    viewer: Browser


def signed_in(user: User, **headers: Any) -> Browser:
    """A browser of this user's. What a view doesn't foresee is raised in the test."""
    browser = Browser(headers={"accept": "text/html"}, **headers)
    browser.force_login(user, backend=BACKEND)
    return browser


def person(email: str, client: Client | None = None, role: Role = Role.OWNER, **fields: Any) -> User:
    """A user without a password, and their place in a client."""
    user = User.objects.create_user(email, None, **fields)
    if client is not None:
        Membership.objects.create(client=client, user=user, role=role)
    return user


def text_of(html: bytes) -> str:
    """What a page says, without its tags, on one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", html.decode()).split())


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    """structlog's own way to show a traceback takes minutes when there are whole pages among its variables."""
    with capture_logs():
        yield


@pytest.fixture
def new_tenant(db: None) -> Callable[[str], Tenant]:
    def make(name: str) -> Tenant:
        client = Client.objects.create(name=name)
        browsers = [
            signed_in(person(f"{role}@{name}.test", client, role)) for role in (Role.OWNER, Role.EDITOR, Role.VIEWER)
        ]
        return Tenant(client, *browsers)

    return make


@pytest.fixture
def acme(new_tenant: Callable[[str], Tenant]) -> Tenant:
    return new_tenant("acme")


@pytest.fixture
def other(new_tenant: Callable[[str], Tenant]) -> Tenant:
    return new_tenant("other")


@pytest.fixture
def zoe(acme: Tenant) -> User:
    """Somebody with a password."""
    user = person("zoe@acme.test", acme.client, Role.EDITOR)
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def anonymous(db: None) -> Browser:
    return Browser(headers={"accept": "text/html"})


@pytest.fixture
def operator(db: None) -> Browser:
    return signed_in(person("operator@sendmill.test", is_superuser=True))
