"""Every page, and who may read and write there. Tests read this table: tests/database/web/test_access.py."""

from django.urls import path, register_converter

from sendmill.accounts.access import Access
from sendmill.web import assets
from sendmill.web.guard import Route, guarded
from sendmill.web.pages import (
    account,
    campaign_draft,
    campaigns,
    clients,
    contacts,
    draft_check,
    draft_people,
    installation,
    invitations,
    message_preview,
    messages,
    optouts,
    overview,
    person,
    results,
    senders,
    uploads,
)
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
    # Campaigns
    Route("campaigns/", campaigns.index, "campaigns", read=VIEWER),
    Route("campaigns/new/", campaign_draft.go_on, "campaign-draft", read=EDITOR),
    Route("campaigns/new/discard/", campaign_draft.discard, "draft-discard", write=EDITOR),
    Route("campaigns/new/message/", campaign_draft.message, "draft-message", read=EDITOR, write=EDITOR),
    Route("campaigns/new/people/", draft_people.people, "draft-people", read=EDITOR, write=EDITOR),
    Route("campaigns/new/people/columns/", draft_people.columns, "draft-columns", write=EDITOR),
    Route("campaigns/new/people/reading/", draft_people.reading, "draft-reading", read=EDITOR),
    Route("campaigns/new/people/rejected/", draft_people.rejected, "draft-rejected", read=EDITOR),
    Route("campaigns/new/schedule/", campaign_draft.schedule, "draft-schedule", read=EDITOR, write=EDITOR),
    Route("campaigns/new/schedule/meaning/", campaign_draft.meaning, "draft-meaning", read=EDITOR),
    Route("campaigns/new/check/", draft_check.check, "draft-check", read=EDITOR, write=EDITOR),
    Route("campaigns/new/check/audience/", draft_check.audience, "draft-audience", read=EDITOR),
    Route("campaigns/new/check/dns/", draft_check.dns, "draft-dns", read=EDITOR),
    Route("campaigns/new/test/", draft_check.test, "draft-test", write=EDITOR),
    Route("campaigns/<object_id:campaign_id>/", campaigns.show, "campaign", read=VIEWER),
    Route("campaigns/<object_id:campaign_id>/progress/", campaigns.progress, "campaign-progress", read=VIEWER),
    Route("campaigns/<object_id:campaign_id>/status/", campaigns.change_status, "campaign-status", write=EDITOR),
    Route("campaigns/<object_id:campaign_id>/retry/", campaigns.retry, "campaign-retry", write=EDITOR),
    Route("campaigns/<object_id:campaign_id>/results/", results.index, "campaign-results", read=VIEWER),
    Route("campaigns/<object_id:campaign_id>/export/", results.export, "campaign-export", read=VIEWER),
    Route("results/<object_id:result_id>/", results.show, "result", read=VIEWER),
    Route("results/<object_id:result_id>/message/", results.message, "result-message", read=VIEWER),
    #
    # Messages
    Route("messages/", messages.index, "messages", read=VIEWER),
    Route("messages/new/", messages.new, "message-new", read=EDITOR, write=EDITOR),
    Route("messages/preview/", message_preview.facts, "message-preview", write=VIEWER),
    Route("messages/preview/frame/", message_preview.frame, "message-preview-frame", write=VIEWER),
    Route("messages/<object_id:message_id>/", messages.edit, "message", read=VIEWER, write=EDITOR),
    Route("messages/<object_id:message_id>/delete/", messages.delete, "message-delete", write=EDITOR),
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
    Route("contacts/person/", person.show, "person", read=VIEWER),
    Route("contacts/person/sent/", person.sent, "person-sent", read=VIEWER),
    Route("contacts/person/export/", person.export, "person-export", read=VIEWER),
    Route("contacts/person/opt-out/", person.opt_out, "person-opt-out", write=EDITOR),
    Route("contacts/person/erase/", person.erase, "person-erase", write=OWNER),
    Route("contacts/person/mail-again/", person.lift, "person-mail-again", write=OWNER),
    Route("contacts/erasures/", person.erasures, "erasures", read=VIEWER),
    Route("contacts/erasures/<object_id:erasure_id>/", person.erasure, "erasure", read=VIEWER),
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
    #
    # The installation: for operators, about all clients
    Route("installation/", installation.clients, "installation", read=OPERATOR),
    Route("installation/add/", installation.add_client, "client-add", read=OPERATOR, write=OPERATOR),
    Route("installation/people/", installation.people, "installation-people", read=OPERATOR, write=OPERATOR),
    Route("installation/people/<int:user_id>/deactivate/", installation.deactivate, "user-deactivate", write=OPERATOR),
    Route("installation/people/<int:user_id>/reactivate/", installation.reactivate, "user-reactivate", write=OPERATOR),
    Route("installation/people/<int:user_id>/operator/", installation.end_operator, "operator-end", write=OPERATOR),
    Route("installation/audit/", audit.show_installation, "installation-audit", read=OPERATOR),
)

app_name = "web"
urlpatterns = [
    *(path(route.path, guarded(route), name=route.name) for route in ROUTES),
    path("assets/<slug:version>/<path:name>", assets.serve_asset, name="asset"),
]
