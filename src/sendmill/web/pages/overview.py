"""Overview: what is going on."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from sendmill.delivery.reports import read_reports
from sendmill.results.overview import SENT, Overview, overview_of
from sendmill.web.campaign_words import DISPOSITION
from sendmill.web.requests import PageRequest, is_partial


def show(request: PageRequest) -> HttpResponse:
    """The page; htmx asks for its first part, what happens now, every few seconds."""
    now = timezone.now()
    found = overview_of(request.client, read_reports(), now, timezone.get_current_timezone())
    context = {"overview": found, "is_empty": not (found.running or found.following or _has_sent(found))}
    if is_partial(request):
        return render(request, "web/overview/_now.html", context)
    return render(request, "web/overview/show.html", context | {"chart": _chart(found), "has_sent": _has_sent(found)})


def _has_sent(found: Overview) -> bool:
    return any(count for day in found.days.values() for count in day.values())


def _chart(found: Overview) -> dict[str, object]:
    """What days.js draws, and the table beside it: the dispositions that there are."""
    shown = [name for name in SENT if any(day[name] for day in found.days.values())]
    return {
        "labels": [f"{day.day} {day:%b}" for day in found.days],
        "series": [
            {"name": name, "title": DISPOSITION[name].label, "counts": [day[name] for day in found.days.values()]}
            for name in shown
        ],
    }
