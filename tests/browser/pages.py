"""The one list of pages: each is checked by test_every_page.py and photographed by `make screenshots`.

A section adds its pages here, and what they show to `fill`.
"""

from collections.abc import Callable
from typing import NamedTuple

from tests.browser.campaign_pages import CAMPAIGN_PAGES, fill_campaigns
from tests.browser.contact_pages import CONTACT_PAGES, fill_contacts
from tests.browser.overview_pages import OVERVIEW_PAGES, SIGN_IN_PAGES, fill_overview
from tests.browser.site import Site

Things = dict[str, str]
"""What `fill` has made, by name: object ids and whatever else a path needs."""


class Shown(NamedTuple):
    """A page: the name of its pictures, its path, and whether one has to be signed in to see it."""

    name: str
    path: Callable[[Things], str]
    is_signed_in: bool = True


def fill(site: Site) -> Things:
    """Makes what the pages show, through the API."""
    fill_overview(site)
    return fill_contacts(site) | fill_campaigns(site)


PAGES = (
    *(Shown(name, path.format_map, is_signed_in=False) for name, path in SIGN_IN_PAGES.items()),
    *(Shown(name, path.format_map) for name, path in OVERVIEW_PAGES.items()),
    *(Shown(name, path.format_map) for name, path in CAMPAIGN_PAGES.items()),
    *(Shown(name, path.format_map) for name, path in CONTACT_PAGES.items()),
    Shown("not-found", lambda _: "/nothing/"),
)
