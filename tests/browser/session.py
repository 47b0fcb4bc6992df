"""A person's session without a browser: for making what pages show and the API can't."""

import re
from typing import Any

import requests

from tests.browser.site import PASSWORD, Site


class Session:
    """Signed in as the site's owner; sends forms as a browser does."""

    def __init__(self, site: Site) -> None:
        self._url = site.url
        self._session = requests.Session()
        self._session.headers["Accept"] = "text/html"
        self._token = ""
        sign_in = self.get("/sign-in/")
        name = next(name for name in ("login", "username") if f'name="{name}"' in sign_in)
        self.post("/sign-in/", {name: site.owner, "password": PASSWORD})

    def get(self, path: str) -> str:
        """The page."""
        return self._read(self._session.get(self._url + path, timeout=30))

    def post(self, path: str, fields: dict[str, str], **files: Any) -> str:
        """The page after a form."""
        body = {**fields, "csrfmiddlewaretoken": self._token}
        return self._read(self._session.post(self._url + path, body, files=files or None, timeout=30))

    def _read(self, answer: requests.Response) -> str:
        assert answer.status_code == 200, (answer.url, answer.status_code, answer.text[:2000])
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', answer.text)
        self._token = found[1] if found else self._token
        return answer.text
