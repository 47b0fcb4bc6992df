"""A real OpenID Connect provider on this machine, and a person's way through it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import requests
from oidc_provider_mock import run_server_in_thread


class Provider(NamedTuple):
    """It knows one program, by id and secret, and lets that one's people return to one address alone."""

    issuer: str
    client_id: str
    client_secret: str

    def knows(self, subject: str, **claims: Any) -> None:
        """Somebody signs in there."""
        requests.put(f"{self.issuer}/users/{subject}", json=claims, timeout=10).raise_for_status()

    def sign_in(self, address: str, subject: str) -> str:
        """Follow the address that a program has sent somebody to, sign in, and be sent back: to which address."""
        answer = requests.post(address, {"sub": subject}, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]


@contextmanager
def oidc_provider(return_to: str) -> Iterator[Provider]:
    """A provider at which a program is registered whose people come back to `return_to`."""
    with run_server_in_thread(require_client_registration=True) as server:
        issuer = f"http://localhost:{server.server_port}"
        made = requests.post(f"{issuer}/oauth2/clients", json={"redirect_uris": [return_to]}, timeout=10).json()
        yield Provider(issuer, made["client_id"], made["client_secret"])
