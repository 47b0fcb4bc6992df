"""Making a campaign, step by step: its message, and who sends it when. Each step is kept as soon as it is done."""

from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages as notes
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from sendmill.accounts.models import Client
from sendmill.accounts.resources import find
from sendmill.campaigns.attributes import MAX_NAME_CHARACTERS, parse_schedule
from sendmill.campaigns.checks import contact_set_of
from sendmill.campaigns.drafts import begin_draft, discard_draft, find_draft, sections, set_section
from sendmill.campaigns.models import Campaign, CampaignDraft
from sendmill.campaigns.schedule import ClockChange, clock_change
from sendmill.campaigns.timezones import timezone_names
from sendmill.contacts.sample import sample_columns
from sendmill.content.library import check_message
from sendmill.content.models import Message
from sendmill.errors import InvalidField, InvalidFields
from sendmill.senders.models import Sender
from sendmill.web.draft_steps import next_step, step_context, steps_of
from sendmill.web.forms import add_errors
from sendmill.web.message_forms import MessageForm, editor_context
from sendmill.web.paging import window
from sendmill.web.requests import PageRequest, is_partial, record

SAVED_MESSAGES = 8


def go_on(request: PageRequest) -> HttpResponse:
    """To where the user is in their draft."""
    draft = find_draft(request.client, request.user)
    return redirect("web:draft-message" if draft is None else next_step(steps_of(draft)).url)


def discard(request: PageRequest) -> HttpResponse:
    """Forget the draft."""
    draft = find_draft(request.client, request.user)
    if draft is not None:
        discard_draft(draft)
        record(request, "discarded a draft of a campaign")
    notes.success(request, "The draft is gone.")
    return redirect("web:campaigns")


# The message ----------------------------------------------------------------------------------------------------------


def message(request: PageRequest) -> HttpResponse:
    """A saved message (`use`), or a new one (`write`)."""
    draft = begin_draft(request.client, request.user)
    chosen = sections(draft).get("message", {})
    if request.method == "POST" and "use" in request.POST:
        saved = find(Message, request.client, request.POST["use"])
        set_section(draft, "message", {"source": "reuse", "_id": saved.object_id})
        return _onwards(draft)
    if request.method == "POST" or "write" in request.GET:
        return _write(request, draft, chosen)
    wanted = request.GET.get("q", "").strip()
    rows = Message.objects.filter(client=request.client).defer("email_message")
    shown = window(request, rows.filter(description__icontains=wanted) if wanted else rows, SAVED_MESSAGES)
    context = {
        **step_context(draft, "message"),
        "window": shown,
        "wanted": wanted,
        "chosen_id": chosen.get("_id", ""),
        "written": chosen if chosen.get("source") == "new" else None,
    }
    template = "_saved_messages" if is_partial(request) else "draft_message"
    return render(request, f"web/campaigns/{template}.html", context)


def _write(request: PageRequest, draft: CampaignDraft, chosen: dict[str, Any]) -> HttpResponse:
    form = MessageForm(request.POST or None, initial=chosen if chosen.get("source") == "new" else None)
    if request.method == "POST" and form.is_valid():
        try:
            check_message(**form.cleaned_data)
        except InvalidFields as error:
            add_errors(form, error)
        else:
            set_section(draft, "message", {"source": "new", **form.cleaned_data})
            return _onwards(draft)
    group = sections(draft).get("contact_group", {})
    contact_set = contact_set_of(request.client, group, draft.staged_import)
    columns = [] if contact_set is None else sample_columns(contact_set)
    context = {
        **step_context(draft, "message"),
        **editor_context(request.client, form, columns),
        "chosen_group": group.get("_id", ""),
        "back": reverse("web:draft-message"),
    }
    return render(request, "web/campaigns/draft_write.html", context)


def _onwards(draft: CampaignDraft) -> HttpResponse:
    return redirect(next_step(steps_of(draft)).url)


# Who sends it, and when -----------------------------------------------------------------------------------------------


class ScheduleForm(forms.Form):
    """Name, sender and time. The names of the fields are the API's; `start_time` is the second half of `start_date`."""

    name = forms.CharField(
        label="Name", max_length=MAX_NAME_CHARACTERS, help_text="For you alone: recipients don't see it.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip
    sender_id = forms.ChoiceField(label="Sender", error_messages={"required": "Choose who sends it."})
    start_date = forms.DateField(
        label="Day", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="Leave it empty to start when you say so.",
    )  # fmt: skip
    start_time = forms.TimeField(
        label="Time", required=False, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    timezone = forms.CharField(
        label="Time zone", help_text="Day and time are by the clocks there. Type a city.",
        widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off", "spellcheck": "false"}),
    )  # fmt: skip

    def __init__(self, client: Client, data: QueryDict | None, initial: dict[str, Any]) -> None:
        super().__init__(data, initial=initial)
        senders = Sender.objects.filter(client=client).order_by("-pk")[:500]
        choices = [(sender.object_id, _sender_label(sender)) for sender in senders]
        self.fields["sender_id"].choices = [("", "Choose…"), *choices]  # type: ignore[attr-defined]
        self.has_senders = bool(choices)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if bool(values.get("start_date")) != bool(values.get("start_time")) and not self.errors:
            missing = "start_time" if values.get("start_date") else "start_date"
            self.add_error(missing, "Give both day and time, or neither.")
        return values


def schedule(request: PageRequest) -> HttpResponse:
    """Name, sender, day, time and zone."""
    draft = begin_draft(request.client, request.user)
    kept = sections(draft).get("schedule", {})
    form = ScheduleForm(request.client, request.POST or None, _initial(request, kept))
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        start = f"{values['start_date']:%Y-%m-%d} {values['start_time']:%H:%M}" if values["start_date"] else ""
        section = {
            "name": values["name"], "sender_id": values["sender_id"], "timezone": values["timezone"],
            "start_date": start,
        }  # fmt: skip
        try:
            parse_schedule({**section, "start_date": start or "2000-01-01 00:00"})
        except (InvalidField, InvalidFields) as error:
            add_errors(form, error)
        else:
            set_section(draft, "schedule", section)
            return _onwards(draft)
    context = {**step_context(draft, "schedule"), "form": form, "zones": _zone_options()}
    return render(request, "web/campaigns/draft_schedule.html", context)


def meaning(request: PageRequest) -> HttpResponse:
    """What day, time and zone in the form mean for the viewer; a part of the page."""
    zone, text = request.GET.get("timezone", ""), f"{request.GET.get('start_date')} {request.GET.get('start_time')}"
    context: dict[str, Any] = {"zone": zone}
    try:
        wall_clock = datetime.strptime(text, "%Y-%m-%d %H:%M")  # noqa: DTZ007  a wall clock has no zone yet
        if zone in timezone_names():
            context |= {
                "starts_at": wall_clock.replace(tzinfo=ZoneInfo(zone)),
                "wall_clock": wall_clock,
                "now": timezone.now(),
                "is_skipped": clock_change(wall_clock, zone) == ClockChange.SKIPPED,
                "is_twice": clock_change(wall_clock, zone) == ClockChange.TWICE,
            }
            context["is_past"] = context["starts_at"] <= context["now"]
    except (ValueError, OverflowError):
        pass
    return render(request, "web/campaigns/_meaning.html", context)


def _initial(request: PageRequest, kept: dict[str, Any]) -> dict[str, Any]:
    """The kept choice; before there is one, what the client's last campaign had."""
    if kept:
        day, _, clock = kept["start_date"].partition(" ")
        return {**kept, "start_date": day, "start_time": clock}
    last = Campaign.objects.filter(client=request.client).only("timezone", "sender_object_id").order_by("-pk").first()
    if last is None:
        return {"timezone": timezone.get_current_timezone_name()}
    return {"timezone": last.timezone, "sender_id": last.sender_object_id}


@cache
def _zone_options() -> SafeString:
    """All time zones, for the field to choose from: made once, for as a form's choices they took 60 ms."""
    return format_html_join("", '<option value="{}"></option>', ((name,) for name in sorted(timezone_names())))


def _sender_label(sender: Sender) -> str:
    same = sender.description.strip() in ("", sender.email)
    return sender.email if same else f"{sender.email} ({sender.description[:80]})"
