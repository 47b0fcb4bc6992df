"""Middleware that puts right what clients may write in more than one way. The body's is in `body`."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import is_valid_path
from django.utils.http import parse_header_parameters

from sendmill.api.rendering import CONTENT_TYPE

Handler = Callable[[HttpRequest], HttpResponse]


def trailing_slash(get_response: Handler) -> Handler:
    """Middleware: a read without the slash is redirected and keeps its query; anything else is served as it is,
    because a redirected write would lose its body or its method."""

    def answer(request: HttpRequest) -> HttpResponse:
        path = request.path_info
        if path.endswith("/") or is_valid_path(path) or not is_valid_path(f"{path}/"):
            return get_response(request)
        if request.method in ("GET", "HEAD"):
            location = request.get_full_path(force_append_slash=True)
            return HttpResponse(status=301, headers={"Location": location}, content_type=CONTENT_TYPE)
        request.path_info = f"{path}/"
        request.path = f"{request.path}/"
        return get_response(request)

    return answer


def multipart_content_type(get_response: Handler) -> Handler:
    """Middleware: reads `multipart/form-data, boundary=…`, as the reference prints it, like the `;` of RFC 9110."""

    def answer(request: HttpRequest) -> HttpResponse:
        given = request.META.get("CONTENT_TYPE", "")
        if given.startswith("multipart/form-data,"):
            request.META["CONTENT_TYPE"] = given.replace(",", ";", 1)
            # Django has read the header already, in the request's constructor.
            request.content_type, request.content_params = parse_header_parameters(request.META["CONTENT_TYPE"])
        return get_response(request)

    return answer


def content_length(get_response: Handler) -> Handler:
    """Middleware: tells the length of every answer that isn't streamed, so that none needs chunked encoding."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        # The answer to a HEAD may be empty where that to a GET isn't.
        is_known = request.method != "HEAD" and response.status_code != 204 and not response.streaming
        if is_known and not response.has_header("Content-Length"):
            response["Content-Length"] = str(len(response.content))
        return response

    return answer
