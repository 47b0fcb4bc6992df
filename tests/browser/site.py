"""A Sendmill with people and things to show, which all browser tests of a module share."""

import atexit
import functools
import json
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import BrowserContext

from tests.dns_server import DnsServer, dns_server
from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.server import Server

PASSWORD = "correct-horse-battery"


class Site(NamedTuple):
    """A running server, its client "Café Zoë", the owner's address, and the API for making things."""

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
    made = server.command("client", "add", "Café Zoë", "--email", owner, "--password", PASSWORD, "--json")
    access = json.loads(made)
    return Site(server, ApiClient(server.url, access["token"], access["client_id"]), owner)


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
