"""A recipient and the mail they got: the browser's view, unsubscribing and taking it back, by the keyboard alone."""

import mailbox
import re

from playwright.sync_api import Browser, Page

from tests.browser.chromium import THEMES, WIDTHS, Visit, new_context
from tests.browser.site import Site
from tests.end_to_end.campaigns import start_campaign, wait_until_completed

_HTML = (
    "<html><body><h1 id='title'>Hello {{ name }}</h1><script>document.title = 'run'</script>"
    "<img src='data:,x' onerror=\"document.title = 'run'\"><form action='/u/x'><button>Go</button></form>"
    "<a href='{{ view_in_browser_url }}'>In the browser</a></body></html>"
)


def test_from_the_mail_to_the_end(browser: Browser, site: Site) -> None:
    unsubscribe, view = links_in_mail(site)
    faults = []
    for width, theme in zip(WIDTHS, THEMES, strict=True):
        context = new_context(browser, site.url, width=width, theme=theme)
        visit = Visit(context, site.url)
        page = visit.open(unsubscribe)
        faults += [f"question: {fault}" for fault in visit.faults()]
        press_the_button(page, "Unsubscribe", "You are unsubscribed")
        faults += [f"done: {fault}" for fault in visit.faults()]
        assert optouts(site) == ["ada@reader.test"]
        press_the_button(page, "Subscribe again", "You are subscribed again")
        faults += [f"taken back: {fault}" for fault in visit.faults()]
        assert optouts(site) == []
        assert context.cookies() == []
        context.close()
    assert not faults, "\n".join(faults)
    see_that_nothing_runs(browser, site, view)


def press_the_button(page: Page, name: str, then: str) -> None:
    """With the keyboard: it is the first thing that Tab reaches."""
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == name
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=then).wait_for()


def see_that_nothing_runs(browser: Browser, site: Site, view: str) -> None:
    context = new_context(browser, site.url)
    page = context.new_page()
    blocked: list[str] = []
    page.on("console", lambda message: blocked.append(message.text))
    page.goto(view, wait_until="networkidle")
    assert page.locator("#title").inner_text() == "Hello <b>Ada</b>"
    assert page.title() == ""
    assert page.evaluate("window.origin") == "null", "not an origin of ours: nothing here sees a session"
    page.get_by_role("button", name="Go").click()
    assert page.url == view
    assert any("Blocked script execution" in text for text in blocked)
    assert any("Blocked form submission" in text for text in blocked)
    context.close()


def links_in_mail(site: Site) -> tuple[str, str]:
    """The two links of a delivered mail: to unsubscribe, and to the browser's view."""
    message = {"source": "new", "description": "Hello", "email_message": _HTML}
    csv = b"name,email\r\n<b>Ada</b>,ada@reader.test\r\n"
    wait_until_completed(site.api, start_campaign(site.api, csv, message=message))
    (mail,) = mailbox.Maildir(site.server.data / "outbox")
    html = mail.get_payload(1).get_payload(decode=True).decode()  # type: ignore[union-attr]
    links = set(re.findall(r"http://[\w.:]+/[uv]/[\w-]+", html))
    assert f"<{min(links)}>" == mail["List-Unsubscribe"]
    return min(links), max(links)


def optouts(site: Site) -> list[str]:
    return [optout["email"] for optout in site.api.get("/email/optout/").expect(200).json]
