"""REST framework's choices of how to answer, all of them made: JSON, and nothing about the view itself."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rest_framework.metadata import BaseMetadata
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from sendmill.api.rendering import CONTENT_TYPE, json_bytes

if TYPE_CHECKING:  # the settings name this module, and views import what they name
    from rest_framework.views import APIView


class AlwaysJSON(DefaultContentNegotiation):
    """Ignores `Accept`: every answer is JSON."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return next(iter(renderers)), CONTENT_TYPE


class NoMetadata(BaseMetadata):
    """OPTIONS is answered by `Allow` alone."""

    def determine_metadata(self, request: Request, view: "APIView") -> None:
        return None


class JSONRenderer(BaseRenderer):
    """JSON for every answer, whatever was asked for in `Accept`."""

    media_type = CONTENT_TYPE
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return b"" if data is None else json_bytes(data)
