"""From an empty database to a delivered campaign, by clicks alone; and the people and the campaigns after that."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.chromium import Visit, new_context
from tests.browser.site import PASSWORD, dns_servers
from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import SmtpSink
from tests.end_to_end.waiting import wait_for
from tests.oidc_provider import Provider, oidc_provider

expect.set_options(timeout=20_000)  # on a busy machine

OWNER = "zoe@cafe.test"
SCRIPT = "<script>document.title='owned'</script>"
SOURCE = f"""<style>p {{ color: rgb(1, 2, 3) }}
@media (prefers-color-scheme: dark) {{ p {{ color: rgb(4, 5, 6) }} }}</style>
<p>Dear {{{{ name }}}}, how is {{{{ city }}}}?</p>{SCRIPT}<img src="https://elsewhere.test/pixel.gif">"""
CSV = f"Full name,Old,Email,City\n{SCRIPT},old0@example.com,refused@example.com,Lyon\n" + "".join(
    f"Person {number},old{number}@example.com,person{number}@example.com,Lyon\n" for number in range(1, 400)
)


@pytest.fixture(scope="module")
def sink() -> Iterator[SmtpSink]:
    with SmtpSink() as running:
        running.reply_to("refused@example.com", [f"550 5.1.1 {SCRIPT}"])
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, sink: SmtpSink) -> Iterator[Server]:
    """One that nobody has used, started by `provider`. Passkeys need a host name."""
    made = Server(tmp_path_factory.mktemp("empty"), sink.url, is_migrated=False, SENDMILL_DNS_SERVERS=dns_servers())
    made.url = f"http://localhost:{made.port}"
    try:
        yield made
    finally:
        made.discard()


@pytest.fixture(scope="module")
def provider(server: Server) -> Iterator[Provider]:
    """Who else knows its people."""
    with oidc_provider(f"{server.url}/sign-in/with/oidc/back/") as running:
        server.environment |= {
            "SENDMILL_PUBLIC_URL": server.url,
            "SENDMILL_OIDC_ISSUER": running.issuer,
            "SENDMILL_OIDC_CLIENT_ID": running.client_id,
            "SENDMILL_OIDC_CLIENT_SECRET": running.client_secret,
            "SENDMILL_OIDC_NAME": "the café’s account",
        }
        server.start()
        yield running


@pytest.fixture(scope="module")
def owner(browser: Browser, server: Server, provider: Provider) -> Iterator[BrowserContext]:
    """The first owner's browser, from the link that `sendmill run` prints on."""
    printed = re.escape(server.url) + r"(/invitation/\S+)"
    path = wait_for(lambda: re.search(printed, server.log()), 20, "the link")[1]
    context = new_context(browser, server.url)
    visit = Visit(context, server.url)
    page = visit.open(path)
    page.get_by_label("Name of your company").fill(f"Café {SCRIPT}")
    page.get_by_label("Your email").fill(OWNER)
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Begin")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_role("link", name=f"Café {SCRIPT}")).to_be_visible()
    assert visit.complaints == []
    page.close()
    yield context
    context.close()


@pytest.fixture
def visit(owner: BrowserContext, server: Server) -> Iterator[Visit]:
    made = Visit(owner, server.url)
    yield made
    made.page.close()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def choose_list(page: Page) -> None:
    page.get_by_label("CSV file").set_input_files(
        {"name": f"{SCRIPT}.csv", "mimeType": "text/csv", "buffer": CSV.encode()}
    )
    press(page, "Upload")
    page.get_by_text("399 contacts").or_(page.get_by_text("400 contacts")).first.wait_for()


def schedule(page: Page, name: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Sender").select_option(index=1)
    press(page, "Go on")
    page.get_by_role("heading", name="Before it starts").wait_for()


def test_from_the_printed_link_to_a_delivered_campaign(visit: Visit, sink: SmtpSink) -> None:
    """The owner has come by the link; from here on there is nothing but what the pages offer."""
    page = visit.open("/")
    failures: list[str] = []
    page.on("requestfailed", lambda request: failures.append(f"{request.failure} {request.url}"))
    page.get_by_role("link", name="Senders").click()
    page.get_by_role("link", name="Add sender").first.click()
    page.get_by_label("Address").fill("news@roastery.test")
    page.get_by_label("Name in Sendmill").fill(f"News {SCRIPT}")
    press(page, "Add sender")
    expect(page.get_by_role("heading", name="roastery.test")).to_be_visible()
    page.get_by_role("link", name="Campaigns").click()
    page.get_by_role("link", name="New campaign").first.click()
    page.get_by_role("link", name="Write or upload").click()
    page.get_by_label("Subject").fill(f"Hello {{{{ name }}}} {SCRIPT}")
    page.get_by_label("Source", exact=True).fill(SOURCE)
    paragraph = page.frame_locator("#preview-holder iframe:visible").locator("p").first
    expect(paragraph).to_have_text("Dear Anna Example, how is [city]?")
    expect(paragraph).to_have_css("color", "rgb(1, 2, 3)")
    page.get_by_label("Dark mode").check()
    expect(paragraph).to_have_css("color", "rgb(4, 5, 6)")
    page.get_by_label("Source", exact=True).fill("one\n{{ two")
    expect(page.locator("#facts").get_by_role("alert")).to_contain_text("Line 2")
    page.get_by_label("Source", exact=True).fill(SOURCE)
    press(page, "Keep and go on")

    # The wrong column is taken for names; a reload loses nothing.
    choose_list(page)
    page.reload()
    page.get_by_label("Names are in").select_option(label="Old")
    press(page, "Read it so")
    expect(page.get_by_role("columnheader", name="Old name")).to_be_visible()
    page.get_by_label("Names are in").select_option(label="Full name")
    press(page, "Read it so")
    page.get_by_role("link", name="Go on with this list").click()

    schedule(page, f"Spring {SCRIPT}")
    expect(page.locator("#findings")).to_contain_text("400 people get it")
    expect(page.locator("#findings")).to_contain_text("Every variable has its column")
    assert page.title().startswith("New campaign")
    press(page, "Send me a test")
    expect(page.get_by_role("status").first).to_contain_text("The test is on its way to zoe@cafe.test")
    (test,) = sink.messages_to("zoe@cafe.test")
    assert b"Lyon" in test.parse().as_bytes()
    press(page, "Start now")
    page.get_by_role("dialog").get_by_role("button", name="Start sending").click()

    # Without a reload of ours the page follows until the end.
    expect(page.locator("h1 .badge")).to_have_text("Completed", timeout=30_000)
    expect(page.locator("#progress")).to_contain_text("400 of 400 recipients are done")
    assert len(sink.recipients) >= 400
    page.get_by_role("link", name="Results").click()
    page.get_by_label("Outcome").select_option(label="Failed")
    row = page.get_by_role("row").filter(has_text="refused@example.com")
    expect(row).to_contain_text(f"550 5.1.1 {SCRIPT}")
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_role("link", name="refused@example.com").click()
    expect(page.get_by_role("blockquote")).to_contain_text(SCRIPT)
    expect(page.frame_locator("iframe").locator("p")).to_contain_text("how is Lyon?")
    assert "owned" not in page.title()
    asked = [found for found in visit.complaints if "elsewhere.test" in found and found.startswith("asks for")]
    refused = [found for found in failures if "elsewhere.test" in found and "csp" in found.lower()]
    assert len(asked) == len(refused), "the browser tells of the picture, and hasn't fetched it"
    kept_from = ("violates the following Content Security Policy", *asked)
    unforeseen = [found for found in visit.complaints if not any(words in found for words in kept_from)]
    assert not unforeseen, unforeseen


def test_pause_resume_and_cancel_while_it_is_sent(visit: Visit, sink: SmtpSink) -> None:
    page = visit.open("/campaigns/new/message/?write=1")
    page.get_by_label("Subject").fill("Hello")
    page.get_by_label("Source", exact=True).fill("Good day.")
    press(page, "Keep and go on")
    choose_list(page)
    page.get_by_role("link", name="Go on with this list").click()
    schedule(page, "Held")
    sink.hold_after(len(sink.recipients) + 100)
    try:
        press(page, "Start now")
        page.get_by_role("dialog").get_by_role("button", name="Start sending").click()
        expect(page.locator("h1 .badge")).to_have_text("Sending", timeout=20_000)
        press(page, "Pause")
        expect(page.locator("h1 .badge")).to_have_text("Paused")
        press(page, "Resume")
        expect(page.locator("h1 .badge")).to_have_text("Sending")
        press(page, "Cancel")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("A cancelled campaign can't be started again")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        press(page, "Cancel")
        press(page, "Cancel the campaign")
        expect(page.locator("h1 .badge")).to_have_text("Cancelled")
    finally:
        sink.release()
    expect(page.locator("#progress")).to_contain_text(re.compile(r"Cancelled\s+[0-9]+"), timeout=20_000)
    assert not visit.complaints, visit.complaints


def test_a_passkey_a_viewer_and_single_sign_on(
    browser: Browser, visit: Visit, server: Server, provider: Provider
) -> None:
    page = visit.open("/")
    add_passkey(page)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()

    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="People").click()
    page.get_by_label("Email").fill("viewer@cafe.test")
    page.get_by_label("Role", exact=True).select_option("viewer")
    page.get_by_role("button", name="Make a link").click()
    link = page.get_by_label("Link of the invitation").input_value().removeprefix(server.url)
    assert visit.faults() == []

    invited = Visit(new_context(browser, server.url, width=360), server.url)
    theirs = invited.open(link)
    theirs.get_by_label("Password").fill("another-horse-7")
    theirs.get_by_role("button", name="Join").click()
    expect(theirs.get_by_role("heading", name="Overview")).to_be_visible()
    invited.open("/settings/people/")
    expect(theirs.get_by_role("cell", name="viewer@cafe.test")).to_be_visible()
    expect(theirs.get_by_role("button", name="Make a link")).to_have_count(0)

    provider.knows("their-id", email="Viewer@cafe.test", email_verified=True)
    theirs.get_by_role("button", name="Menu").click()
    press(theirs, "Sign out")
    theirs.get_by_role("link", name="Sign in with the café’s account").click()
    theirs.locator("input[name=sub]").fill("their-id")
    theirs.locator("input[name=sub]").press("Enter")
    expect(theirs.get_by_role("heading", name="Overview")).to_be_visible()

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
