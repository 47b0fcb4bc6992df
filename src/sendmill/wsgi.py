"""The WSGI application. Plain WSGI: Granian runs it, and so does any other server.

It also answers what Django can't make a request of: a Content-Type that Python's reader stumbles over, or one with a
charset that is none (`hex`).
"""

import gc
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sendmill.settings")

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

_django = get_wsgi_application()

# Django would read the routes with the first request, and answer every one with 500 if that fails.
assert get_resolver().url_patterns


# What is loaded now stays: the garbage collector needn't look at it again.
gc.collect()
gc.freeze()

# An import reads its file in one of many threads. Each time another one comes back from the database or the network it
# waits for Python's lock for so long, and a request does that some ten times: with the usual 5 ms, 1 in 100 waited for
# 98 ms.
sys.setswitchinterval(0.0005)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """WSGI (PEP 3333)."""
    try:
        return _django(environ, start_response)
    except (LookupError, TypeError, ValueError):
        body = b'{"detail":"Malformed request."}'
        start_response("400 Bad Request", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]
