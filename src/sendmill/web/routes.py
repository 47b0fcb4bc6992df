"""Every page, and who may read and write there. Tests read this table: tests/database/web/test_access.py."""

from django.urls import path, register_converter

from sendmill.accounts.access import Access
from sendmill.web import assets
from sendmill.web.guard import Route, guarded
from sendmill.web.pages import clients, overview

ANYONE, SIGNED_IN, VIEWER, EDITOR, OWNER, OPERATOR = Access


class ObjectId:
    """`<object_id:campaign_id>` in a path."""

    regex = "[0-9a-f]{24}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(ObjectId, "object_id")

ROUTES = (
    # For which client (who is there: account_routes.py)
    Route("clients/", clients.choose, "clients", read=SIGNED_IN, write=SIGNED_IN),
    #
    # Overview
    Route("", overview.show, "overview", read=VIEWER),
)

app_name = "web"
urlpatterns = [
    *(path(route.path, guarded(route), name=route.name) for route in ROUTES),
    path("assets/<slug:version>/<path:name>", assets.serve_asset, name="asset"),
]
