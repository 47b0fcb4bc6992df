"""Errors as pages: what happened, in words for a person, and where to go on."""

import secrets
import sys

import structlog
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

log = structlog.get_logger()

_TITLES = {
    400: "That request can't be read",
    403: "You may not do that",
    404: "There is nothing here",
    405: "That doesn't work here",
    409: "That can't be done now",
    413: "That is too large",
    429: "Too many attempts",
    500: "Something went wrong",
    503: "Not available right now",
}
_FOR_OTHERS = "That didn't work"
_NOT_FOUND = "The address is wrong, or what was here has been deleted."


def page(request: HttpRequest, status: int, reason: str) -> HttpResponse:
    """An error's page with this reason."""
    context = {"title": _TITLES.get(status, _FOR_OTHERS), "status": status, "reason": reason}
    return render(request, "web/error.html", context, status=status)


def unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    """The database is busy or away."""
    log.error("web.unavailable", reason=str(error), method=request.method, path=request.path)
    response = _bare(503, "The database can't be reached or is busy. Try again in a moment.")
    response["Retry-After"] = "5"
    return response


def no_client(request: HttpRequest) -> HttpResponse:
    """For somebody who has signed in and is a member of no client."""
    return render(request, "web/no_client.html", status=403)


# For what is raised outside of the guard; urls.py chooses between these and the API's.


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return page(request, 413, "The form holds more than this server takes.")
    return page(request, 400, "Something in it is malformed. Go back and try again.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return page(request, 403, "Ask an owner of the client if you need to.")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return page(request, 404, _NOT_FOUND)


def server_error(request: HttpRequest) -> HttpResponse:
    """What nobody foresaw: logged with an id that the page shows."""
    error_id = secrets.token_hex(8)
    log.error(
        "web.unexpected_error", error_id=error_id, exc_info=sys.exception(), method=request.method, path=request.path
    )
    return _bare(500, "It is not your fault, and it has been noted.", error_id)


def _bare(status: int, reason: str, error_id: str = "") -> HttpResponse:
    """An error's page that asks nothing of the session or the database: they may be what has failed."""
    context = {"title": _TITLES[status], "status": status, "reason": reason, "error_id": error_id}
    return HttpResponse(render_to_string("web/error.html", context), status=status)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW."""
    return page(request, 403, "This form is out of date, or your browser keeps no cookies. Load the page again.")
