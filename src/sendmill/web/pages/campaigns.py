"""Campaigns: the list, one of them with its progress, and what can be done to it."""

from datetime import timedelta
from typing import NamedTuple

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from sendmill.accounts.resources import find
from sendmill.addresses import address_key
from sendmill.campaigns.drafts import find_draft
from sendmill.campaigns.lifecycle import ACTIONS
from sendmill.campaigns.models import Campaign, Phase, Status
from sendmill.contacts.models import ContactGroup
from sendmill.content.models import Message
from sendmill.delivery.control import set_status
from sendmill.delivery.progress import Progress, Summary, progress_of, summarise
from sendmill.delivery.reports import read_reports
from sendmill.delivery.retry import retry_failed
from sendmill.errors import Conflict, InvalidField
from sendmill.senders.models import Sender
from sendmill.web.campaign_words import DISPOSITIONS, STATES, Disposition, State, state_of
from sendmill.web.paging import Window, window
from sendmill.web.requests import PageRequest, is_partial, record

PAGE_ROWS = 20
_SOON = timedelta(minutes=2)


class Row(NamedTuple):
    """A campaign in the list."""

    campaign: Campaign
    state: State
    summary: Summary | None


def index(request: PageRequest) -> HttpResponse:
    """The list, newest first, narrowed by `q` (part of the name) and `state`."""
    rows = Campaign.objects.filter(client=request.client).defer("frozen_subject", "frozen_body")
    wanted, state = request.GET.get("q", "").strip(), request.GET.get("state", "")
    found = rows.filter(name__icontains=wanted) if wanted else rows
    for known in STATES:
        if known.key == state:
            found = found.filter(known.condition)
    shown: Window[Campaign] = window(request, found, PAGE_ROWS)
    summaries = summarise([campaign.pk for campaign in shown.rows])
    context = {
        "rows": [Row(campaign, state_of(campaign), summaries.get(campaign.pk)) for campaign in shown.rows],
        "window": shown,
        "wanted": wanted,
        "state": state,
        "states": STATES,
        "is_narrowed": bool(wanted or state),
        "draft": find_draft(request.client, request.user),
    }
    return render(request, f"web/campaigns/{'_list' if is_partial(request) else 'index'}.html", context)


class Count(NamedTuple):
    """How many recipients have one disposition."""

    disposition: Disposition
    recipients: int


def show(request: PageRequest, campaign_id: str) -> HttpResponse:
    """A campaign: how far it is, and what it is made of."""
    campaign = find(Campaign, request.client, campaign_id)
    owned = {"client": request.client}
    context = {
        **_progress_context(campaign),
        "sender": Sender.objects.filter(**owned, object_id=campaign.sender_object_id).first(),
        "message": Message.objects.filter(**owned, object_id=campaign.message_object_id).defer("email_message").first(),
        "group": ContactGroup.objects.filter(**owned, object_id=campaign.contact_group_object_id).first(),
    }
    return render(request, "web/campaigns/show.html", context)


def progress(request: PageRequest, campaign_id: str) -> HttpResponse:
    """The part of the page that changes while a campaign is sent. `seen` is the state that the page shows; when that
    has changed, so has what can be done, and the page is loaded anew."""
    campaign = find(Campaign, request.client, campaign_id)
    if request.GET.get("seen") != state_of(campaign).key:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return render(request, "web/campaigns/_progress.html", _progress_context(campaign))


def _progress_context(campaign: Campaign) -> dict[str, object]:
    now = timezone.now()
    reports = read_reports()
    found = progress_of(campaign, reports, now)
    state = state_of(campaign)
    sender = address_key(campaign.frozen_sender) if campaign.frozen_sender else ""
    relays = [relay for relay in reports.relays if relay.takes(sender, campaign.client.object_id)]
    is_moving = state.key == "sending"
    return {
        "campaign": campaign,
        "state": state,
        "progress": found,
        "counts": _counts(found),
        "percent": 100 * found.complete // found.recipients if found.recipients else 0,
        "failed": found.counts.get("failed", 0),
        "is_expanding": campaign.phase == Phase.EXPANDING,
        "is_due": state.key == "scheduled" and campaign.starts_at <= now,
        "every": "2s" if is_moving or campaign.starts_at - now < _SOON else "30s",
        "is_polled": is_moving or state.key == "scheduled" or (state.key == "paused" and bool(found.counts["queued"])),
        "can_retry": bool(found.counts.get("failed")) and campaign.status != Status.CANCELLED,
        "troubled_relays": [relay for relay in relays if relay.state != "up"] if is_moving else [],
        "has_no_workers": is_moving and reports.workers == 0,
    }


def _counts(found: Progress) -> list[Count]:
    counted = [(disposition, found.counts.get(disposition.key, 0)) for disposition in DISPOSITIONS]
    return [Count(disposition, count) for disposition, count in counted if count]


_DONE = {
    Status.ACTIVE: "It goes on.",
    Status.PAUSED: "It is paused: nothing more leaves until you resume it.",
    Status.CANCELLED: "It is cancelled.",
}


def change_status(request: PageRequest, campaign_id: str) -> HttpResponse:
    """Pause, resume or cancel: `status`, as the API has it."""
    campaign = find(Campaign, request.client, campaign_id)
    status = request.POST.get("status", "")
    try:
        set_status(request.client, campaign.object_id, status)
    except InvalidField as error:
        messages.error(request, error.reason)
    else:
        record(request, ACTIONS[Status(status)], campaign.name)
        messages.success(request, _DONE[Status(status)])
    return redirect("web:campaign", campaign_id)


def retry(request: PageRequest, campaign_id: str) -> HttpResponse:
    """Send again to those that failed."""
    campaign = find(Campaign, request.client, campaign_id)
    try:
        failed = retry_failed(request.client, campaign.object_id)
    except Conflict as error:
        messages.error(request, str(error))
    else:
        if failed:
            record(request, f"retried {failed:,} failed recipients", campaign.name)
            messages.success(request, f"{failed:,} are sent to once more.")
        else:
            messages.warning(request, "Nobody has failed: there is nothing to retry.")
    return redirect("web:campaign", campaign_id)
