"""The WSGI application. Plain WSGI: Granian runs it, and so does any other server.

It works without Django's own last resort where Django has none: a request that can't even be constructed, such as one
with a malformed Content-Type.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sendmill.settings")

from django.core.wsgi import get_wsgi_application

_django = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """WSGI (PEP 3333)."""
    try:
        return _django(environ, start_response)
    except ValueError:
        body = b'{"detail":"Malformed request."}'
        start_response("400 Bad Request", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]
