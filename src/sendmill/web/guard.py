"""What stands between a route and its view: who may go through, for which client, in which time zone.

A view behind it can rely on `request.user`, `request.client` and `request.access`; the route table says what is needed.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, cast
from urllib.parse import urlencode, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import redirect
from django.template.response import SimpleTemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_cache_control, patch_vary_headers

from sendmill.accounts.access import Access, access_to, chosen_client
from sendmill.accounts.models import User
from sendmill.campaigns.timezones import timezone_names
from sendmill.errors import Conflict, NotFound
from sendmill.web import errors
from sendmill.web.requests import PageRequest, is_partial

View = Callable[..., HttpResponseBase]

CLIENT_KEY = "client"
"""Where the session has the object id of the client that the user has chosen."""

ZONE_COOKIE = "timezone"
"""The browser's time zone, noted by app.js."""

_gzip = GZipMiddleware(lambda _request: HttpResponse())


class Route(NamedTuple):
    """A page: its path, its view, and who may read (GET) and write (POST) there. None: that method isn't taken."""

    path: str
    view: View
    name: str
    read: Access | None = None
    write: Access | None = None


def guarded(route: Route) -> View:
    """The route's view behind its guard."""

    @wraps(route.view)
    def answer(request: HttpRequest, **parameters: Any) -> HttpResponseBase:
        response: HttpResponseBase
        try:
            with timezone.override(_viewers_zone(request)):
                response = _refusal(request, route) or route.view(cast(PageRequest, request), **parameters)
                if isinstance(response, SimpleTemplateResponse):
                    response.render()
        except NotFound as error:
            response = errors.page(request, 404, str(error))
        except Conflict as error:
            response = errors.page(request, 409, str(error))
        except (OperationalError, InterfaceError) as error:
            response = errors.unavailable(request, error)
        patch_cache_control(response, private=True, no_cache=True)
        patch_vary_headers(response, ["HX-Request"])
        is_html = response.headers.get("Content-Type", "").startswith("text/html")
        return _gzip.process_response(request, response) if is_html and isinstance(response, HttpResponse) else response

    return answer


def to_sign_in(request: HttpRequest) -> HttpResponse:
    """Off to the sign-in page, and back to this page after it."""
    sign_in = reverse("account_login")
    if is_partial(request):
        query = urlencode({"next": _shown_page(request)})
        return HttpResponse(status=401, headers={"HX-Redirect": f"{sign_in}?{query}"})
    if request.method in ("GET", "HEAD"):
        return redirect(f"{sign_in}?{urlencode({'next': request.get_full_path()})}")
    return redirect(sign_in)


def _shown_page(request: HttpRequest) -> str:
    """The page into which htmx puts what it asks for: path and query."""
    try:
        shown = urlsplit(request.headers.get("HX-Current-URL", ""))
    except ValueError:  # no address at all
        return "/"
    return urlunsplit(("", "", shown.path or "/", shown.query, ""))


def _refusal(request: HttpRequest, route: Route) -> HttpResponse | None:
    """The answer to a request that may not go on, None for one that may; sets what views rely on."""
    if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):  # no text has it; PostgreSQL's can't
        return errors.page(request, 400, "The address has a character that stands for nothing. Go back and try again.")
    needed = route.write if request.method == "POST" else route.read if request.method in ("GET", "HEAD") else None
    user = request.user
    if isinstance(user, User):
        _choose_client(request, user)
    elif Access.ANYONE not in (route.read, route.write):
        return to_sign_in(request)
    if needed is None:
        return _method_not_allowed(request, route)
    if needed <= Access.ANYONE:
        return None
    if not isinstance(user, User):
        return to_sign_in(request)
    if needed >= Access.VIEWER and not hasattr(request, "client"):
        return errors.no_client(request)
    if getattr(request, "access", Access.SIGNED_IN) < needed:
        return errors.page(
            request, 403, f"This needs the role {needed.name.lower()}. Ask an owner of the client for it."
        )
    return None


def _choose_client(request: HttpRequest, user: User) -> None:
    client = chosen_client(user, request.session.get(CLIENT_KEY, ""))
    if client is not None:
        request.client, request.access = client, access_to(client, user)  # type: ignore[attr-defined]


def _method_not_allowed(request: HttpRequest, route: Route) -> HttpResponse:
    allowed = [*(["GET", "HEAD"] if route.read is not None else []), *(["POST"] if route.write is not None else [])]
    response = errors.page(request, 405, "This address doesn't take that kind of request.")
    response["Allow"] = ", ".join(allowed)
    return response


def _viewers_zone(request: HttpRequest) -> ZoneInfo:
    """The one that the user has chosen, else the browser's."""
    name = getattr(request.user, "timezone", "") or request.COOKIES.get(ZONE_COOKIE, "")
    return ZoneInfo(name if name in timezone_names() else "UTC")
