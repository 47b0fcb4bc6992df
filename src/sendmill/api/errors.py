"""Every error as JSON in Django REST framework's shapes and words; never a traceback, never HTML."""

import errno
import secrets
import sys
from collections.abc import Iterable
from typing import Any

import structlog
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation, TooManyFieldsSent, TooManyFilesSent
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from sendmill.api.exceptions import DiskFull, Incomplete, InUse, TooLarge, Unavailable
from sendmill.api.rendering import json_answer
from sendmill.contacts.groups import ContactsGone
from sendmill.errors import Conflict, InvalidField, InvalidFields, NotFound

log = structlog.get_logger()


def answer_exception(error: Exception, context: dict[str, Any]) -> Response:
    """The answer to an exception that a view raised: REST framework's EXCEPTION_HANDLER."""
    known = _known(error)
    if isinstance(known, Unavailable | DiskFull):
        log.error("api.unavailable", reason=str(error), **_where(context.get("request")))
    return exception_handler(known, context) or Response(_unexpected(error, context.get("request")), status=500)


def fields_error(errors: Iterable[InvalidField]) -> exceptions.ValidationError:
    """`{"attributes": {"schedule": {"timezone": ["…"]}}}` for errors with those paths."""
    tree: dict[str, Any] = {}
    for error in errors:
        *parents, name = error.path
        branch = tree
        for parent in parents:
            below = branch.setdefault(parent, {})
            if not isinstance(below, dict):  # the parent itself is wrong: that says it
                break
            branch = below
        else:
            reasons = branch.setdefault(name, [])
            if isinstance(reasons, list):
                reasons.append(error.reason)
    return exceptions.ValidationError(tree)


def _known(error: Exception) -> Exception:
    """The REST framework exception that says the same, or the error itself: if it is one, and if nobody foresaw it."""
    match error:
        case InvalidField():
            return fields_error([error])
        case InvalidFields():
            return fields_error(error.errors)
        case NotFound():
            return exceptions.NotFound()
        case Conflict():
            return InUse(str(error))
        case RequestDataTooBig():
            return TooLarge()
        case TooManyFieldsSent() | TooManyFilesSent():
            return exceptions.ParseError("The request has too many fields.")
        case SuspiciousOperation():
            return exceptions.ParseError()
        case UnreadablePostError():
            return Incomplete()
        case ContactsGone():
            return Unavailable("The contacts were replaced while they were read. Try again.")
        case OperationalError() | InterfaceError():
            return Unavailable()
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return DiskFull()
    return error


def _unexpected(error: BaseException | None, request: Any) -> dict[str, str]:
    """Log what nobody foresaw; what to answer: an id to find it by."""
    error_id = secrets.token_hex(8)
    log.error("api.unexpected_error", error_id=error_id, exc_info=error, **_where(request))
    return {"detail": "A server error occurred.", "error_id": error_id}


def _where(request: Any) -> dict[str, str]:
    return {"method": request.method, "path": request.path} if request else {}


# For what is raised outside of REST framework's views; urls.py names them.


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return json_answer(413, {"detail": TooLarge.default_detail})
    return json_answer(400, {"detail": "Malformed request."})


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return json_answer(403, {"detail": "You do not have permission to perform this action."})


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return json_answer(404, {"detail": "Not found."})


def server_error(request: HttpRequest) -> HttpResponse:
    return json_answer(500, _unexpected(sys.exception(), request))
