"""From an empty database: the printed link, the first owner, a passkey, and a viewer who is invited."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import Visit, new_context
from tests.browser.site import PASSWORD
from tests.end_to_end.server import Server
from tests.end_to_end.waiting import wait_for


@pytest.fixture(scope="module")
def empty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that nobody has used. Passkeys need a host name."""
    server = Server(tmp_path_factory.mktemp("empty"), is_migrated=False, SENDMILL_PUBLIC_URL="http://localhost:1")
    try:
        yield server.start()
    finally:
        server.discard()


def test_the_first_owner_a_passkey_and_a_viewer(browser: Browser, empty_server: Server) -> None:
    url = f"http://localhost:{empty_server.port}"
    path = wait_for(lambda: re.search(r"http://localhost:1(/invitation/\S+)", empty_server.log()), 20, "the link")[1]
    context = new_context(browser, url)
    visit = Visit(context, url)
    page = visit.open(path)
    page.get_by_label("Name of your company").fill("Café <script>alert(1)</script>")
    page.get_by_label("Your email").fill("zoe@cafe.test")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_role("link", name="Café <script>alert(1)</script>")).to_be_visible()

    add_passkey(page)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()

    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="People").click()
    page.get_by_label("Email").fill("viewer@cafe.test")
    page.get_by_label("Role", exact=True).select_option("viewer")
    page.get_by_role("button", name="Make a link").click()
    link = page.get_by_label("Link of the invitation").input_value().replace("http://localhost:1", "")
    assert visit.faults() == []

    invited = Visit(new_context(browser, url, width=360), url)
    theirs = invited.open(link)
    theirs.get_by_label("Password").fill("another-horse-7")
    theirs.get_by_role("button", name="Join").click()
    expect(theirs.get_by_role("heading", name="Overview")).to_be_visible()
    invited.open("/settings/people/")
    expect(theirs.get_by_role("cell", name="viewer@cafe.test")).to_be_visible()
    expect(theirs.get_by_role("button", name="Make a link")).to_have_count(0)

    remove_person(visit.open("/settings/people/"), "viewer@cafe.test")
    theirs.goto("/")
    expect(theirs.get_by_role("heading", name="You belong to no client yet")).to_be_visible()
    visit.open("/settings/audit/")
    expect(page.get_by_text("removed from the client: viewer@cafe.test")).to_be_visible()
    assert visit.complaints == []


def add_passkey(page: Page) -> None:
    """With a virtual authenticator, which says yes at once."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    page.goto("/account/security/keys/add/")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_label("Passwordless").check()
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("button", name="Add")).to_have_count(0)


def remove_person(page: Page, email: str) -> None:
    """By the keyboard alone, through the question that comes before."""
    page.get_by_role("button", name=f"Remove {email}").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("stop working at once")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text(f"{email} is no member any more.")).to_be_visible()
