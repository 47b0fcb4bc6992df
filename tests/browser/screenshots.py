"""`make screenshots`: every page in both widths and themes. `python -m tests.browser.screenshots FOLDER [NAME…]`"""

import sys
import tempfile
from pathlib import Path

from tests.browser.chromium import THEMES, WIDTHS, Visit, chromium, new_context
from tests.browser.pages import PAGES, fill
from tests.browser.site import make_site, sign_in


def main(folder: Path, names: list[str]) -> None:
    """Pictures of the pages with these names, all without any."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, chromium() as browser:
        site = make_site(Path(data))
        try:
            things = fill(site)
            for width in WIDTHS:
                for theme in THEMES:
                    for is_signed_in in (False, True):
                        context = new_context(browser, site.url, width=width, theme=theme)
                        if is_signed_in:
                            sign_in(context, site)
                        for shown in PAGES:
                            if shown.is_signed_in == is_signed_in and (not names or shown.name in names):
                                visit = Visit(context, site.url)
                                page = visit.open(shown.path(things))
                                page.screenshot(path=folder / f"{shown.name}-{width}-{theme}.png", full_page=True)
                                page.close()
                        context.close()
        finally:
            site.server.discard()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
