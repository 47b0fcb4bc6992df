"""Every page, and who may read and write there. Tests read this table: tests/database/web/test_access.py."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path, register_converter

from sendmill.accounts.access import Access
from sendmill.web import assets
from sendmill.web.guard import Route, guarded
from sendmill.web.pages import clients, contacts, optouts, overview, people, senders, uploads

ANYONE, SIGNED_IN, VIEWER, EDITOR, OWNER, OPERATOR = Access


class ObjectId:
    """`<object_id:campaign_id>` in a path."""

    regex = "[0-9a-f]{24}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(ObjectId, "object_id")

_SIGN_IN = LoginView.as_view(template_name="web/sign_in.html", redirect_authenticated_user=True)

ROUTES = (
    # Who is there, and for which client
    Route("sign-in/", _SIGN_IN, "sign-in", read=ANYONE, write=ANYONE),
    Route("sign-out/", LogoutView.as_view(next_page="web:sign-in"), "sign-out", write=ANYONE),
    Route("clients/", clients.choose, "clients", read=SIGNED_IN, write=SIGNED_IN),
    #
    # Overview
    Route("", overview.show, "overview", read=VIEWER),
    #
    # Contacts
    Route("contacts/", contacts.index, "contacts", read=VIEWER),
    Route("contacts/add/", contacts.add, "group-add", read=EDITOR, write=EDITOR),
    Route("contacts/<object_id:group_id>/", contacts.show, "group", read=VIEWER),
    Route("contacts/<object_id:group_id>/name/", contacts.rename, "group-rename", read=EDITOR, write=EDITOR),
    Route("contacts/<object_id:group_id>/delete/", contacts.delete, "group-delete", write=EDITOR),
    Route("contacts/<object_id:group_id>/export/", contacts.export, "group-export", read=VIEWER),
    Route("contacts/<object_id:group_id>/upload/", contacts.upload, "group-upload", read=EDITOR, write=EDITOR),
    Route("contacts/<object_id:group_id>/contact/", contacts.add_contact, "contact-add", read=EDITOR, write=EDITOR),
    Route("contacts/<object_id:group_id>/drop/", contacts.drop, "contact-drop", write=EDITOR),
    Route("contacts/person/", people.show, "person", read=VIEWER),
    Route("contacts/person/sent/", people.sent, "person-sent", read=VIEWER),
    Route("contacts/person/export/", people.export, "person-export", read=VIEWER),
    Route("contacts/person/opt-out/", people.opt_out, "person-opt-out", write=EDITOR),
    Route("contacts/person/erase/", people.erase, "person-erase", write=OWNER),
    Route("contacts/person/mail-again/", people.lift, "person-mail-again", write=OWNER),
    Route("contacts/erasures/", people.erasures, "erasures", read=VIEWER),
    Route("contacts/erasures/<object_id:erasure_id>/", people.erasure, "erasure", read=VIEWER),
    Route("uploads/sample/", uploads.sample, "upload-sample", write=EDITOR),
    Route("uploads/<object_id:import_id>/", uploads.show, "import", read=VIEWER),
    Route("uploads/<object_id:import_id>/rejected/", uploads.rejected, "import-rejected", read=VIEWER),
    #
    # Opt-outs
    Route("opt-outs/", optouts.index, "optouts", read=VIEWER),
    Route("opt-outs/add/", optouts.add, "optout-add", read=EDITOR, write=EDITOR),
    Route("opt-outs/upload/", optouts.upload, "optout-upload", write=EDITOR),
    Route("opt-outs/<object_id:optout_id>/remove/", optouts.remove, "optout-remove", read=EDITOR, write=EDITOR),
    #
    # Senders
    Route("senders/", senders.index, "senders", read=VIEWER),
    Route("senders/add/", senders.add, "sender-add", read=EDITOR, write=EDITOR),
    Route("senders/<object_id:sender_id>/", senders.edit, "sender", read=EDITOR, write=EDITOR),
    Route("senders/<object_id:sender_id>/delete/", senders.delete, "sender-delete", write=EDITOR),
    Route("senders/domains/<str:domain>/", senders.domain, "sending-domain", read=VIEWER),
    Route("senders/domains/<str:domain>/records/", senders.domain_records, "sending-domain-records", read=VIEWER),
    Route("senders/domains/<str:domain>/keys/", senders.add_key, "dkim-key-add", write=OWNER),
    Route(
        "senders/domains/<str:domain>/keys/<str:selector>/delete/", senders.delete_key, "dkim-key-delete", write=OWNER
    ),
)

app_name = "web"
urlpatterns = [
    *(path(route.path, guarded(route), name=route.name) for route in ROUTES),
    path("assets/<slug:version>/<path:name>", assets.serve_asset, name="asset"),
]
