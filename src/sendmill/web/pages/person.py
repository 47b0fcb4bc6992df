"""A person: what is kept of an address over all groups and campaigns, and how they are opted out or erased."""

from urllib.parse import urlencode

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse

from sendmill.delivery.clock import moment_of
from sendmill.errors import InvalidField
from sendmill.optouts import registry
from sendmill.optouts.models import Source
from sendmill.optouts.suppressions import lift_suppression
from sendmill.people import erasing
from sendmill.people.kept import Person, address_of, exported_person, find_person
from sendmill.people.models import Erasure
from sendmill.results.of_address import results_of_address
from sendmill.web.downloads import JSON, download
from sendmill.web.pages.optouts import SOURCES, campaign_names
from sendmill.web.paging import read_number, window
from sendmill.web.requests import PageRequest, is_partial, record

PAGE_ROWS = 50


def show(request: PageRequest) -> HttpResponse:
    """The page of the address `email`; what was sent is loaded by itself, for it has to be looked for."""
    person = _asked_for(request)
    campaign_ids = [change.campaign_object_id for change in person.changes]
    if person.optout is not None:
        campaign_ids.append(person.optout.campaign_object_id)
    names = campaign_names(request, campaign_ids)
    context = {
        "person": person,
        "source": SOURCES[Source(person.optout.source)] if person.optout else "",
        "campaign": names.get(person.optout.campaign_object_id, "") if person.optout else "",
        "changes": [(change, names.get(change.campaign_object_id, "")) for change in person.changes],
        "sent_url": f"{reverse('web:person-sent')}?{urlencode({'email': person.email})}",
        "export_url": f"{reverse('web:person-export')}?{urlencode({'email': person.email})}",
    }
    return render(request, "web/people/show.html", context)


def sent(request: PageRequest) -> HttpResponse:
    """A part of the page: some of what was sent, and the next part to load."""
    email, key = address_of(request.GET.get("email", ""))
    piece = results_of_address(request.client, key, request.GET.get("after", ""))
    looked_through = piece.looked_through + (read_number(request, "looked") or 0)
    query = {
        "email": email,
        "after": piece.next,
        "looked": looked_through,
        "found": request.GET.get("found", ""),
    }
    if piece.results:
        query["found"] = "1"
    context = {
        "rows": [(result, result.row, moment_of(result.row.start_ms)) for result in piece.results],
        "next": f"{reverse('web:person-sent')}?{urlencode(query)}" if piece.next else "",
        "looked_through": looked_through,
        "is_empty": not query["found"],
    }
    return render(request, "web/people/_sent.html", context)


def export(request: PageRequest) -> HttpResponseBase:
    """All that is kept, for the person."""
    person = _asked_for(request)
    record(request, "exported what is kept of a person", person.email)
    return download(exported_person(request.client, person), f"{person.email}.json", JSON)


def opt_out(request: PageRequest) -> HttpResponse:
    email = request.POST.get("email", "")
    try:
        with transaction.atomic():
            optout = registry.add_optout(request.client, email=email, source=Source.DASHBOARD)
            record(request, "opted an address out", optout.email)
    except InvalidField as error:
        messages.error(request, error.reason)
        return redirect("web:optouts")
    messages.success(request, f"{optout.email} is opted out: no campaign mails it from now on.")
    return redirect(_address(optout.email))


def erase(request: PageRequest) -> HttpResponse:
    """From now on the address is never mailed; the rest is a job."""
    try:
        with transaction.atomic():
            erasure = erasing.ask(request.client, request.POST.get("email", ""), requested_by=request.user.email)
            record(request, "erased a person", erasure.object_id)
    except InvalidField as error:
        messages.error(request, error.reason)
        return redirect("web:contacts")
    return redirect("web:erasure", erasure_id=erasure.object_id)


def lift(request: PageRequest) -> HttpResponse:
    """An erased person wants mail again."""
    person = find_person(request.client, request.POST.get("email", ""))
    with transaction.atomic():
        lift_suppression(request.client, person.email)
        record(request, "let an erased address be mailed again", person.email)
    messages.success(request, f"{person.email} may be mailed again.")
    return redirect(_address(person.email))


def erasures(request: PageRequest) -> HttpResponse:
    """All erasures, newest first: the proof that they were done."""
    shown = window(request, Erasure.objects.filter(client=request.client), PAGE_ROWS)
    return render(request, "web/people/erasures.html", {"window": shown, "rows": shown.rows})


def erasure(request: PageRequest, erasure_id: str) -> HttpResponse:
    """How far one is."""
    context = {"erasure": erasing.find_erasure(request.client, erasure_id)}
    return render(request, f"web/people/{'_erasure' if is_partial(request) else 'erasure'}.html", context)


def _asked_for(request: PageRequest) -> Person:
    return find_person(request.client, request.GET.get("email", ""))


def _address(email: str) -> str:
    return f"{reverse('web:person')}?{urlencode({'email': email})}"
