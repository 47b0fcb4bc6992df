"""A campaign by clicks alone: written, uploaded, checked, started, watched, paused, cancelled, looked into."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import Visit, new_context
from tests.browser.site import Site, make_site, sign_in
from tests.end_to_end.campaigns import add_sender
from tests.end_to_end.smtp_sink import SmtpSink

expect.set_options(timeout=20_000)  # on a busy machine

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
def site(tmp_path_factory: pytest.TempPathFactory, sink: SmtpSink) -> Iterator[Site]:
    made = make_site(tmp_path_factory.mktemp("site"), sink.url)
    add_sender(made.api)
    try:
        yield made
    finally:
        made.server.discard()


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Visit]:
    context = new_context(browser, site.url)
    sign_in(context, site)
    yield Visit(context, site.url)
    context.close()


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


def test_a_campaign_by_clicks_alone(visit: Visit, sink: SmtpSink) -> None:
    page = visit.open("/campaigns/")
    failures: list[str] = []
    page.on("requestfailed", lambda request: failures.append(f"{request.failure} {request.url}"))
    page.get_by_role("link", name="New campaign").click()
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
