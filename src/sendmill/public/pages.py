"""The public pages as answers: their words, their language, and what a browser may do with them."""

from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from sendmill.languages import LANGUAGES, preferred_language
from sendmill.public.phrases import PHRASES, Phrases
from sendmill.public.recipients import ShownMessage

# A link is a secret of its recipient's: nobody is told of it by a Referer, a search engine or a shared cache.
PRIVATE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}
_OUR_PAGE = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
# A stranger's HTML: what it looks like may come from anywhere, as in a mail program. `sandbox` gives it an origin of
# its own, without scripts and forms; links open as they do in mail.
_MESSAGE = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src http: https: data:; "
    "style-src 'unsafe-inline' http: https:; font-src http: https: data:; media-src http: https:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


def language_of(request: HttpRequest, otherwise: str = LANGUAGES[0]) -> str:
    """The language to answer in."""
    return preferred_language(request.headers.get("Accept-Language", ""), otherwise)


def page(status: int, language: str, **words: object) -> HttpResponse:
    """A page of `page.html`; `words` are title, text, and those of its button."""
    response = HttpResponse(render_to_string("public/page.html", {"language": language, **words}), status=status)
    return _with_headers(response, {"Content-Security-Policy": _OUR_PAGE, "Vary": "Accept-Language", **PRIVATE})


def not_found(request: HttpRequest) -> HttpResponse:
    """The same for every token that isn't ours, whatever is wrong with it."""
    language = language_of(request)
    phrases: Phrases = PHRASES[language]
    return page(404, language, title=phrases.not_found, text=phrases.wrong_link)


def unavailable(request: HttpRequest) -> HttpResponse:
    language = language_of(request)
    phrases: Phrases = PHRASES[language]
    answer = page(503, language, title=phrases.unavailable, text=phrases.try_again)
    return _with_headers(answer, {"Retry-After": "60"})


def message(shown: ShownMessage, language: str) -> HttpResponse:
    """A recipient's message, harmless whatever is in it. `language` is that of its sender."""
    html = shown.body
    if not shown.is_html:
        html = render_to_string("public/text_message.html", {"language": language, "shown": shown})
    return _with_headers(HttpResponse(html), {"Content-Security-Policy": _MESSAGE, **PRIVATE})


def _with_headers(response: HttpResponse, headers: Mapping[str, str]) -> HttpResponse:
    for name, value in headers.items():
        response[name] = value
    return response
