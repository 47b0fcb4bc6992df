"""Style sheets, scripts and icons: read once, served compressed, under addresses that change with their content."""

import gzip
import hashlib
import mimetypes
from functools import cache
from pathlib import Path
from typing import NamedTuple

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import patch_vary_headers

_FOLDER = Path(__file__).parent / "static"
_SERVED = (".css", ".js", ".svg")
_FOR_EVER = "public, max-age=31536000, immutable"
_COMPRESSION = 9


class Asset(NamedTuple):
    version: str
    content_type: str
    body: bytes
    compressed: bytes


def asset_url(name: str) -> str:
    """The address of `web/static/<name>` as it is now. Raises KeyError: there is none."""
    return reverse("web:asset", kwargs={"version": _asset(name).version, "name": name})


def serve_asset(request: HttpRequest, version: str, name: str) -> HttpResponse:
    """One file. An older version's address leads to the present one, which then isn't kept for long."""
    if name not in _paths():
        raise Http404
    asset = _asset(name)
    takes_gzip = "gzip" in request.headers.get("Accept-Encoding", "")
    response = HttpResponse(asset.compressed if takes_gzip else asset.body, content_type=asset.content_type)
    if takes_gzip:
        response["Content-Encoding"] = "gzip"
    patch_vary_headers(response, ["Accept-Encoding"])
    response["Cache-Control"] = _FOR_EVER if version == asset.version else "no-cache"
    return response


@cache
def icon(name: str) -> str:
    """The SVG of an icon. It says nothing to a screen reader: the text beside it does."""
    svg = (_FOLDER / "vendor" / "tabler-icons" / f"{name}.svg").read_text()
    return " ".join(svg.split()).replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


@cache
def _paths() -> dict[str, Path]:
    """What may be asked for, by name: a request's path never reaches the file system."""
    files = (path for path in _FOLDER.rglob("*") if path.suffix in _SERVED and path.is_file())
    return {str(path.relative_to(_FOLDER)): path for path in files}


@cache
def _asset(name: str) -> Asset:
    body = _paths()[name].read_bytes()
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    content_type = f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
    return Asset(hashlib.sha256(body).hexdigest()[:12], content_type, body, gzip.compress(body, _COMPRESSION, mtime=0))
