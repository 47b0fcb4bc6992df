"""A campaign's results: searched, exported, and one recipient's in full."""

from urllib.parse import urlencode

import orjson
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import content_disposition_header

from sendmill.accounts.resources import find
from sendmill.addresses import InvalidAddress, parse_address
from sendmill.campaigns.models import Campaign, Phase
from sendmill.content.compile import Recipient
from sendmill.content.preview import preview_message
from sendmill.content.template import RenderError, TemplateError
from sendmill.delivery.clock import moment_of
from sendmill.delivery.pruning import is_begun
from sendmill.delivery.render import link_bases
from sendmill.optouts.registry import find_optout
from sendmill.optouts.suppressions import ERASED_ADDRESS
from sendmill.results.export import exported_results
from sendmill.results.queries import EVER
from sendmill.results.search import Wanted, find_history, find_result, search_results
from sendmill.web import preview_frame
from sendmill.web.campaign_words import DISPOSITION, DISPOSITIONS, state_of
from sendmill.web.requests import PageRequest, is_partial

_MOST_CHARACTERS = 200


def index(request: PageRequest, campaign_id: str) -> HttpResponse:
    """The results, in the order of sending, narrowed by `q` (address or name), `disposition` and `reply`."""
    campaign = find(Campaign, request.client, campaign_id)
    asked = {name: request.GET.get(name, "").strip()[:_MOST_CHARACTERS] for name in ("q", "disposition", "reply")}
    disposition = asked["disposition"] if asked["disposition"] in DISPOSITION else ""
    wanted = Wanted(asked["q"], disposition, asked["reply"])
    after = request.GET.get("after", "")
    found = search_results(campaign, wanted, after)
    narrowed = urlencode({name: text for name, text in asked.items() if text})
    context = {
        "campaign": campaign,
        "state": state_of(campaign),
        "rows": [(result, DISPOSITION[result.disposition]) for result in found.results],
        "found": found,
        "wanted": wanted,
        "is_first": not after,
        "is_pruned": is_begun(campaign),
        "has_started": campaign.phase != Phase.WAITING,
        "narrowed": f"?{narrowed}" if narrowed else "",
        "next": f"?{urlencode({**asked, 'after': found.next_after})}" if found.next_after else "",
        "dispositions": DISPOSITIONS,
    }
    if is_partial(request):
        return render(request, f"web/campaigns/{'_more_results' if after else '_results'}.html", context)
    return render(request, "web/campaigns/results.html", context)


def export(request: PageRequest, campaign_id: str) -> HttpResponseBase:
    """All of the campaign's results as CSV."""
    campaign = find(Campaign, request.client, campaign_id)
    lines = exported_results(request.client, EVER, campaign.object_id)
    answer = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = content_disposition_header(True, f"results of {campaign.name[:80]}.csv") or ""
    return answer


def show(request: PageRequest, result_id: str) -> HttpResponse:
    """What happened to one recipient, in the mail server's own words."""
    campaign, result = find_result(request.client, result_id)
    fields: dict[str, str] = orjson.loads(result.fields)
    is_person = _is_person(result.email)
    history = find_history(request.client, result_id)
    context = {
        "campaign": campaign,
        "result": result,
        "disposition": DISPOSITION[result.disposition],
        "history": [(word, DISPOSITION[word.disposition], moment_of(word.recorded_ms)) for word in history],
        "is_told": bool(history) and history[-1].state is result.state,
        "fields": fields,
        "optout": find_optout(request.client, result.email) if is_person else None,
        "is_person": is_person,
        "now": timezone.now(),
    }
    return render(request, "web/campaigns/result.html", context)


def message(request: PageRequest, result_id: str) -> HttpResponse:
    """The message as this recipient got it, or would have; for a frame."""
    campaign, result = find_result(request.client, result_id)
    recipient = Recipient(result.name, result.email, orjson.loads(result.fields))
    try:
        preview = preview_message(campaign.frozen_subject, campaign.frozen_body, recipient, link_bases())
    except (TemplateError, RenderError) as error:
        return preview_frame.problem(request, str(error))
    return preview_frame.message(request, preview)


def _is_person(email: str) -> bool:
    """Whether somebody is behind it: neither erased nor what can't be mailed at all."""
    try:
        return parse_address(email) != ERASED_ADDRESS
    except InvalidAddress:
        return False
