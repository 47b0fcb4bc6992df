"""One server and one browser for all tests of a module."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import EXECUTABLE, chromium
from tests.browser.site import Site, make_site
from tests.components import needs


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    needs(EXECUTABLE.exists(), "Chromium (the Debian package chromium)")
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = make_site(tmp_path_factory.mktemp("site"))
    try:
        yield made
    finally:
        made.server.discard()
