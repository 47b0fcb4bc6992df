"""Every page of the list, in both widths and both themes: accessible, whole, light, steady, silent in the console."""

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import THEMES, WIDTHS, Visit, new_context
from tests.browser.pages import PAGES, Things, fill
from tests.browser.site import Site, sign_in


@pytest.fixture(scope="module")
def things(site: Site) -> Things:
    return fill(site)


# Each width and each theme once: what is wrong with the one is so with either of the other.
@pytest.mark.parametrize(("width", "theme"), zip(WIDTHS, THEMES, strict=True))
def test_pages_hold_what_we_promise(browser: Browser, site: Site, things: Things, width: int, theme: str) -> None:
    """One test for all pages, so that they share a sign-in; every fault of every page is told."""
    faults = []
    for is_signed_in in (False, True):
        context = new_context(browser, site.url, width=width, theme=theme)
        if is_signed_in:
            sign_in(context, site)
        visit = Visit(context, site.url)
        for shown in (one for one in PAGES if one.is_signed_in == is_signed_in):
            visit.complaints.clear()
            visit.open(shown.path(things))
            if shown.name == "not-found":  # the console names every answer of 404
                visit.complaints.clear()
            faults += [f"{shown.name}: {fault}" for fault in visit.faults()]
            assert visit.page.locator("html").get_attribute("data-bs-theme") == theme
        context.close()
    assert not faults, "\n".join(faults)
