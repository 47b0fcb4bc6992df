"""Every page, and who may read and write there. Tests read this table: tests/database/web/test_access.py."""

from django.urls import path, register_converter

from sendmill.accounts.access import Access
from sendmill.web import assets
from sendmill.web.guard import Route, guarded
from sendmill.web.pages import account, clients, invitations, overview
from sendmill.web.pages.settings import audit, delivery, general, people, tokens

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
    Route("invitation/<str:token>/", invitations.show, "invitation", read=ANYONE, write=ANYONE),
    Route("account/", account.show, "account", read=SIGNED_IN, write=SIGNED_IN),
    #
    # Overview
    Route("", overview.show, "overview", read=VIEWER),
    #
    # Settings
    Route("settings/", general.show, "settings", read=VIEWER, write=OWNER),
    Route("settings/people/", people.show, "settings-people", read=VIEWER, write=OWNER),
    Route("settings/people/<int:membership_id>/role/", people.change_role, "settings-role", write=OWNER),
    Route("settings/people/<int:membership_id>/remove/", people.remove, "settings-remove", write=OWNER),
    Route("settings/invitations/<int:invitation_id>/withdraw/", people.withdraw, "settings-withdraw", write=OWNER),
    Route("settings/tokens/", tokens.show, "settings-tokens", read=OWNER, write=OWNER),
    Route("settings/tokens/<int:token_id>/revoke/", tokens.revoke, "settings-revoke", write=OWNER),
    Route("settings/delivery/", delivery.show, "settings-delivery", read=VIEWER, write=OPERATOR),
    Route("settings/delivery/remove/", delivery.remove_limit, "settings-limit-remove", write=OPERATOR),
    Route("settings/audit/", audit.show, "settings-audit", read=OWNER),
)

app_name = "web"
urlpatterns = [
    *(path(route.path, guarded(route), name=route.name) for route in ROUTES),
    path("assets/<slug:version>/<path:name>", assets.serve_asset, name="asset"),
]
