"""Contacts by clicks alone: a large list uploaded with its progress, a person opted out and erased, a key made."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import Visit, new_context
from tests.browser.site import Site, sign_in

ROWS = 100_000
SCRIPT = "<script>document.title='owned'</script>"


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Visit]:
    context = new_context(browser, site.url)
    sign_in(context, site)
    yield Visit(context, site.url)
    context.close()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def choose(page: Page, content: bytes) -> None:
    page.get_by_label("File", exact=True).set_input_files(
        {"name": f"{SCRIPT}.csv", "mimeType": "text/csv", "buffer": content}
    )


def test_a_list_of_100_000_is_uploaded_and_a_person_of_it_erased(visit: Visit) -> None:
    page = visit.open("/contacts/")
    page.get_by_role("link", name="Add group").click()
    page.get_by_label("Name of the group").fill(f"Readers {SCRIPT}")
    press(page, "Add group")
    rows = "".join(f"Person {number};old{number}@a.test;person{number}@a.test;Lyon\n" for number in range(ROWS))
    choose(page, f"{SCRIPT};Old;New;City\n{SCRIPT};{SCRIPT};{SCRIPT};{SCRIPT}\n{rows}".encode())
    expect(page.get_by_text("1 of the first")).to_be_visible()
    page.get_by_label("Addresses are in").select_option(label="New")
    page.get_by_label("Names are in").select_option(label=SCRIPT)
    expect(page.get_by_role("columnheader", name="New address")).to_be_visible()
    page.get_by_label("Replace:", exact=False).check()
    press(page, "Upload")
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_text("Done.")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("100,000")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download skipped rows").click()
    assert SCRIPT in download.value.path().read_text(encoding="utf-8-sig")
    page.get_by_role("link", name="Readers").click()

    page.get_by_label("Search for addresses").press_sequentially("PERSON777@")
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_role("link", name="person777@a.test").click()
    expect(page.get_by_text("Nothing was sent to this address")).to_be_visible()
    expect(page.get_by_text("Person 777")).to_be_visible()
    press(page, "Opt out")
    page.get_by_role("dialog").get_by_role("button", name="Opt out").click()
    expect(page.get_by_text("opted out", exact=True)).to_be_visible()
    press(page, "Erase person")
    page.get_by_role("dialog").get_by_role("button", name="Erase for good").click()
    expect(page.get_by_text("The person is erased.")).to_be_visible(timeout=30_000)
    page.goto("/contacts/person/?email=person777@a.test")
    expect(page.get_by_text("This address is in no group.")).to_be_visible()
    assert "owned" not in page.title() and not visit.complaints


def test_a_key_is_made_and_dns_is_asked_again(visit: Visit) -> None:
    page = visit.open("/senders/add/")
    page.get_by_label("Address").fill("news@roastery.test")
    page.get_by_label("Name in Sendmill").fill(SCRIPT)
    press(page, "Add sender")
    expect(page.get_by_text("it has no DKIM key")).to_be_visible()
    page.get_by_label("Kind of key").select_option("ed25519")
    page.get_by_label("Selector").fill("browser")
    press(page, "Make key")
    expect(page.get_by_text("v=DKIM1; k=ed25519;")).to_be_visible()
    press(page, "Check again")
    expect(page.locator("#records")).to_contain_text("The key's record is not there")
    press(page, "Delete the key browser")
    page.get_by_role("dialog").get_by_role("button", name="Delete key").click()
    expect(page.get_by_text("it has no DKIM key")).to_be_visible()
    assert not visit.complaints
