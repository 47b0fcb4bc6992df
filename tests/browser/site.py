"""A Sendmill with people and things to show, which all browser tests of a module share."""

import atexit
import functools
import re
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import requests
from playwright.sync_api import BrowserContext

from tests.dns_server import DnsServer, dns_server
from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.server import Server
from tests.end_to_end.waiting import wait_for

PASSWORD = "correct-horse-battery"


class Site(NamedTuple):
    """A running server, its client "Café Zoë", the address of the owner, who is an operator, and the API for making
    things."""

    server: Server
    api: ApiClient
    owner: str

    @property
    def url(self) -> str:
        return self.server.url


def make_site(folder: Path, smtp_url: str = "outbox:") -> Site:
    """Starts it. Who calls this ends it with `site.server.discard()`."""
    server = Server(folder, smtp_url, is_migrated=False, SENDMILL_DNS_SERVERS=dns_servers()).start()
    owner = "zoe@cafe.test"
    link = wait_for(lambda: re.search(r"http\S+/invitation/\S+", server.log()), 20, "the link")[0]
    accept(link, name="Café Zoë", email=owner, password=PASSWORD)
    login = {"username": owner, "password": PASSWORD}
    access = requests.post(f"{server.url}/auth/api-token-auth/", json=login, timeout=30).json()
    return Site(server, ApiClient(server.url, access["token"], access["client_id"]), owner)


def accept(link: str, **fields: str) -> None:
    """Does what a link of an invitation leads to."""
    browser = requests.Session()
    form = browser.get(link, timeout=30).text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)[1]  # type: ignore[index]
    answer = browser.post(link, {**fields, "csrfmiddlewaretoken": token}, timeout=30)
    assert "Overview" in answer.text, answer.text


def dns_servers() -> str:
    """What the setting of that name has to be, for a server that asks nobody outside."""
    host, port = _dns().address
    return f"{host}:{port}"


@functools.cache
def _dns() -> DnsServer:
    """What all sites ask, until this process ends."""
    kept = ExitStack()
    atexit.register(kept.close)
    return kept.enter_context(dns_server(ZONE))


#: What DNS says in tests of pages: of a domain that is nearly ready.
ZONE = {
    ("roastery.test", "TXT"): ['"v=spf1 include:_spf.mailhost.test ~all"'],
    ("_spf.mailhost.test", "TXT"): ['"v=spf1 ip4:198.51.100.0/24 -all"'],
    ("roastery.test", "MX"): ["10 mx.roastery.test."],
    ("mx.roastery.test", "A"): ["198.51.100.1"],
}


def sign_in(context: BrowserContext, site: Site, email: str = "", password: str = PASSWORD) -> None:
    """Signs the browser in, as a person would."""
    page = context.new_page()
    page.goto("/sign-in/")
    page.get_by_label("Email").fill(email or site.owner)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("heading", name="Overview").wait_for()
    page.close()
