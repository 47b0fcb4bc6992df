"""Every route, on one page."""

from django.contrib.staticfiles.views import serve
from django.urls import URLPattern, URLResolver, include, path

from sendmill.api import documentation
from sendmill.api.bulk import (
    ContactDeleteView,
    ContactReplaceView,
    ContactUpdateView,
    OptOutAddView,
    OptOutDeleteView,
)
from sendmill.api.campaigns import CampaignView
from sendmill.api.contacts import ContactGroupView
from sendmill.api.exports import ContactExportView, ResultExportView
from sendmill.api.health import healthy, ready
from sendmill.api.imports import ImportView, RejectedRowsView
from sendmill.api.login import LoginView
from sendmill.api.messages import MessageView
from sendmill.api.metrics import metrics
from sendmill.api.optouts import OptOutView
from sendmill.api.progress import ProgressView, RetryView
from sendmill.api.results import ResultView
from sendmill.api.senders import SenderView

api = [
    path("auth/api-token-auth/", LoginView.as_view()),
    path("email/senderid/", SenderView.as_view()),
    path("email/optout/", OptOutView.as_view()),
    path("email/optout/bulk/add/", OptOutAddView.as_view()),
    path("email/optout/bulk/delete/", OptOutDeleteView.as_view()),
    path("email/contact/", ContactGroupView.as_view()),
    path("email/contact/bulk/replace/", ContactReplaceView.as_view()),
    path("email/contact/bulk/update/", ContactUpdateView.as_view()),
    path("email/contact/bulk/delete/", ContactDeleteView.as_view()),
    path("email/contact/export/", ContactExportView.as_view()),
    path("email/message/", MessageView.as_view()),
    path("email/import/", ImportView.as_view()),
    path("email/import/rejected/", RejectedRowsView.as_view()),
    path("email/campaign/", CampaignView.as_view()),
    path("email/campaign/progress/", ProgressView.as_view()),
    path("email/campaign/retry/", RetryView.as_view()),
    path("email/result/filter/", ResultView.as_view()),
    path("email/result/export/", ResultExportView.as_view()),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include(api)),
    path("api/v1/", include(api)),
    path("api/v1/schema/", documentation.schema, {"routes": tuple(api)}, name="documentation-schema"),
    path("api/v1/docs/", documentation.page),
    path("api/v1/docs/script.js", documentation.script, name="documentation-script"),
    path("static/<path:path>", serve, {"insecure": True}),
    path("healthz", healthy),
    path("readyz", ready),
    path("metrics", metrics),
]

handler400 = "sendmill.api.errors.bad_request"
handler403 = "sendmill.api.errors.permission_denied"
handler404 = "sendmill.api.errors.page_not_found"
handler500 = "sendmill.api.errors.server_error"
