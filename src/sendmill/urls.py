"""Every route, on one page."""

import sys

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path
from rest_framework.exceptions import APIException

from sendmill.api import documentation
from sendmill.api import errors as api_errors
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
from sendmill.api.people import ErasureView
from sendmill.api.progress import ProgressView, RetryView
from sendmill.api.results import ResultHistoryView, ResultView
from sendmill.api.senders import SenderView
from sendmill.api.static_files import static_file
from sendmill.links import UNSUBSCRIBE, VIEW_IN_BROWSER
from sendmill.public import views as public
from sendmill.web import account_routes
from sendmill.web import errors as web_errors
from sendmill.web import routes as web_routes

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
    path("email/contact/erase/", ErasureView.as_view()),
    path("email/message/", MessageView.as_view()),
    path("email/import/", ImportView.as_view()),
    path("email/import/rejected/", RejectedRowsView.as_view()),
    path("email/campaign/", CampaignView.as_view()),
    path("email/campaign/progress/", ProgressView.as_view()),
    path("email/campaign/retry/", RetryView.as_view()),
    path("email/result/filter/", ResultView.as_view()),
    path("email/result/history/", ResultHistoryView.as_view()),
    path("email/result/export/", ResultExportView.as_view()),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include(api)),
    path("api/v1/", include(api)),
    path("api/v1/schema/", documentation.schema, {"routes": tuple(api)}, name="documentation-schema"),
    path("api/v1/docs/", documentation.page),
    path("api/v1/docs/script.js", documentation.script, name="documentation-script"),
    path("static/<path:path>", static_file),
    path(f"{UNSUBSCRIBE.path}/<str:token>", public.unsubscribe, name="unsubscribe"),
    path("subscribe-again/<str:token>", public.subscribe_again, name="subscribe-again"),
    path(f"{VIEW_IN_BROWSER.path}/<str:token>", public.view_in_browser, name="view-in-browser"),
    path("healthz", healthy),
    path("readyz", ready),
    path("metrics", metrics),
    path("", include(web_routes)),
    path("", include(account_routes)),
]


# Errors are pages for a browser that looks for one, JSON for programs and below the API's own paths.

_OF_PROGRAMS = ("/email/", "/auth/", "/api/", "/static/", "/healthz", "/readyz", "/metrics")


def _is_page(request: HttpRequest) -> bool:
    accept = request.headers.get("Accept", "")
    return "text/html" in accept and not request.path.startswith(_OF_PROGRAMS)


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    answer = web_errors.bad_request if _is_page(request) else api_errors.bad_request
    return answer(request, exception)


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    answer = web_errors.permission_denied if _is_page(request) else api_errors.permission_denied
    return answer(request, exception)


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    answer = web_errors.page_not_found if _is_page(request) else api_errors.page_not_found
    return answer(request, exception)


def handler500(request: HttpRequest) -> HttpResponse:
    if not _is_page(request):
        return api_errors.server_error(request)
    error = sys.exception()
    if isinstance(error, APIException):  # a body that ended early or is too large, found while a form is read
        return web_errors.page(request, error.status_code, str(error.detail))
    return web_errors.server_error(request)


def handler429(request: HttpRequest) -> HttpResponse:
    """django-allauth's, where somebody tries too often."""
    return web_errors.page(request, 429, "Wait a few minutes, then try again.")
