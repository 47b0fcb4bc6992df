"""What links in mail lead to. They need no cookies and no login: who has the link is its recipient.

Nothing but POST changes anything, because programs that look for bad links follow every GET. POST opts out at once,
whatever its body says (RFC 8058), so mail programs can do it for their users.
"""

import functools
from collections.abc import Callable

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.views.decorators.csrf import csrf_exempt

from sendmill.content.template import RenderError, TemplateError
from sendmill.links import UNSUBSCRIBE, VIEW_IN_BROWSER
from sendmill.optouts import registry
from sendmill.public import pages
from sendmill.public.phrases import PHRASES
from sendmill.public.recipients import Recipient, campaign_of, find_recipient, shown_message

log = structlog.get_logger()

View = Callable[[HttpRequest, str], HttpResponse]


def _public(*methods: str) -> Callable[[View], View]:
    """A view for recipients: of these methods, without CSRF, and with a page of its own when the database is away."""

    def decorate(view: View) -> View:
        @csrf_exempt
        @functools.wraps(view)
        def answer(request: HttpRequest, token: str) -> HttpResponse:
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            try:
                return view(request, token)
            except (OperationalError, InterfaceError) as error:
                log.error("public.unavailable", reason=str(error))
                return pages.unavailable(request)

        return answer

    return decorate


@_public("GET", "HEAD", "POST")
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """GET asks, POST opts out."""
    recipient = find_recipient(UNSUBSCRIBE, token)
    if recipient is None:
        return pages.not_found(request)
    if request.method == "POST":
        campaign = campaign_of(recipient)
        campaign_id = "" if campaign is None else campaign.object_id
        registry.opt_out_by_link(recipient.client, recipient.target.email, campaign_id)
        log.info("public.opted_out", client=recipient.client.object_id, campaign=campaign_id)
    return _state_page(request, token, recipient)


@_public("GET", "HEAD", "POST")
def subscribe_again(request: HttpRequest, token: str) -> HttpResponse:
    """POST takes an opt-out by this link back. GET, of who reloads the page, shows how things are."""
    recipient = find_recipient(UNSUBSCRIBE, token)
    if recipient is None:
        return pages.not_found(request)
    if request.method == "POST":
        registry.take_back_by_link(recipient.client, recipient.target.email)
        log.info("public.opt_out_taken_back", client=recipient.client.object_id)
    return _state_page(request, token, recipient, was_opted_out=request.method == "POST")


@_public("GET", "HEAD")
def view_in_browser(request: HttpRequest, token: str) -> HttpResponse:
    """The recipient's message."""
    recipient = find_recipient(VIEW_IN_BROWSER, token)
    if recipient is None:
        return pages.not_found(request)
    try:
        shown = shown_message(recipient)
    except (TemplateError, RenderError):
        shown = None
    if shown is None:
        language = pages.language_of(request, recipient.client.language)
        phrases = PHRASES[language]
        return pages.page(404, language, title=phrases.gone, text=phrases.gone_detail)
    return pages.message(shown, recipient.client.language)


def _state_page(request: HttpRequest, token: str, recipient: Recipient, *, was_opted_out: bool = False) -> HttpResponse:
    """Whether the address is opted out, and the button that changes it."""
    language = pages.language_of(request, recipient.client.language)
    phrases = PHRASES[language]
    who = {"sender": recipient.client.name, "address": _hinted(recipient.target.email)}
    optout = registry.find_optout(recipient.client, recipient.target.email)
    words: dict[str, object]
    if optout is None and not registry.is_suppressed(recipient.client, recipient.target.email):
        words = {
            "title": phrases.subscribed_again if was_opted_out else phrases.unsubscribe,
            "text": (phrases.mail_again if was_opted_out else phrases.question).format(**who),
            "action": f"../{UNSUBSCRIBE.path}/{token}",
            "button": phrases.unsubscribe,
        }
    else:
        words = {"title": phrases.unsubscribed, "text": phrases.no_more.format(**who)}
        if optout is not None and registry.may_be_taken_back(optout):
            words |= {
                "before_button": phrases.by_mistake,
                "action": f"../subscribe-again/{token}",
                "button": phrases.take_back,
            }
    return pages.page(200, language, is_outcome=request.method == "POST", **words)


def _hinted(email: str) -> str:
    """Enough of an address for its owner, who may have several, and not for who was passed the message."""
    local_part, _, domain = email.rpartition("@")
    return f"{local_part[0]}…\u2060@{domain}"  # WORD JOINER: no line break there
