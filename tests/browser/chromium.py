"""Debian's Chromium through Playwright, and what every page has to hold to in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

EXECUTABLE = Path("/usr/bin/chromium")
# Nothing of the browser's own goes out to the network.
_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
MOST_BYTES = 300_000
WIDTHS = (360, 1600)
THEMES = ("light", "dark")

_LAYOUT_SHIFT = """
window.layoutShift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.layoutShift += entry.value;
}).observe({type: "layout-shift", buffered: true});
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(EXECUTABLE), args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def new_context(browser: Browser, url: str, *, width: int = 1600, theme: str = "light") -> BrowserContext:
    """A person's browser: its own cookies, in Berlin."""
    return browser.new_context(
        base_url=url, viewport={"width": width, "height": 800}, locale="en-GB", timezone_id="Europe/Berlin",
        color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce",
    )  # fmt: skip


class Visit:
    """A page that is watched while it is used: its console, its requests, its bytes."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self._url = url
        self.page: Page = context.new_page()
        self.page.add_init_script(_LAYOUT_SHIFT)
        self.page.set_default_timeout(20_000)
        self.complaints: list[str] = []
        self._finished: list[Request] = []
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("request", lambda request: self._check(request.url))
        self.page.on("requestfinished", lambda request: self._finished.append(request))

    def open(self, path: str) -> Page:
        """The page, when its scripts have run and nothing is under way."""
        self._finished.clear()
        self.page.goto(path, wait_until="networkidle")
        return self.page

    def faults(self) -> list[str]:
        """What is wrong with the page as it is now: axe-core's serious findings and all else that we promise."""
        page = self.page
        found = [*self.complaints]
        for violation in Axe().run(page).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                nodes = [node["html"][:200] for node in violation["nodes"][:3]]
                found.append(f"axe {violation['id']}: {violation['help']}: {nodes}")
        size = sum(self._bytes(request) for request in self._finished)
        if size > MOST_BYTES:
            found.append(f"{size} bytes transferred")
        if (shift := page.evaluate("window.layoutShift")) > 0.02:
            found.append(f"layout shift {shift:.3f}")
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wider > 0:
            found.append(f"{wider} pixels wider than the window")
        return found

    def _note(self, kind: str, text: str) -> None:
        # Our own init script is not let into the frame of a message: it is sandboxed.
        is_of_message = text.startswith("Blocked script execution in") and ("/frame/'" in text or "/message/'" in text)
        if kind in ("error", "warning") and not is_of_message:
            self.complaints.append(f"console: {text}")

    def _check(self, url: str) -> None:
        if not url.startswith((self._url, "data:", "blob:", "about:")):
            self.complaints.append(f"asks for {url}")

    @staticmethod
    def _bytes(request: Request) -> int:
        sizes = request.sizes()
        return int(sizes["responseBodySize"]) + int(sizes["responseHeadersSize"])
