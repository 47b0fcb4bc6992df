"""Opt-outs: who is never mailed, where each came from, and how one is taken back."""

from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render

from sendmill.accounts.resources import find
from sendmill.campaigns.models import Campaign
from sendmill.contacts.import_log import latest_imports
from sendmill.contacts.models import OF_OPTOUTS, ImportKind
from sendmill.errors import InvalidField
from sendmill.optouts import registry
from sendmill.optouts.listing import optout_page
from sendmill.optouts.models import OptOut, Source
from sendmill.web.forms import add_errors
from sendmill.web.pages import uploads
from sendmill.web.requests import PageRequest, is_partial, record

SHOWN_IMPORTS = 3
SOURCES = {
    Source.UNKNOWN: "not known",
    Source.API: "API",
    Source.FILE: "uploaded list",
    Source.LINK: "link in a message",
    Source.DASHBOARD: "dashboard",
}


class AddressForm(forms.Form):
    email = forms.CharField(label="Address", max_length=320, widget=forms.EmailInput(attrs={"autocomplete": "off"}))


class RemoveForm(forms.Form):
    reason = forms.CharField(
        label="Why may this address be mailed again?",
        max_length=1000,
        help_text="It is kept with your name, for the day somebody asks.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class FileForm(uploads.FileForm):
    action = forms.ChoiceField(
        label="What to do with the addresses in it",
        choices=[
            (ImportKind.OPTOUT_ADD, "Opt them out"),
            (ImportKind.OPTOUT_DELETE, "Take their opt-outs back: they may be mailed again"),
        ],
        widget=forms.RadioSelect,
        initial=ImportKind.OPTOUT_ADD,
    )


def index(request: PageRequest) -> HttpResponse:
    """The newest first, or those whose address begins with `q`."""
    wanted = request.GET.get("q", "").strip()
    page = optout_page(request.client, begins_with=wanted, after=request.GET.get("after", ""))
    names = campaign_names(request, [optout.campaign_object_id for optout in page.optouts])
    context = {
        "rows": [
            (optout, SOURCES[Source(optout.source)], names.get(optout.campaign_object_id, ""))
            for optout in page.optouts
        ],
        "wanted": wanted,
        "is_first": "after" not in request.GET,
        "older": f"?{urlencode({'q': wanted, 'after': page.next})}" if page.next else "",
    }
    return render(request, f"web/optouts/{'_list' if is_partial(request) else 'index'}.html", context)


def add(request: PageRequest) -> HttpResponse:
    """One address, or a file of many."""
    form = AddressForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                optout = registry.add_optout(request.client, source=Source.DASHBOARD, **form.cleaned_data)
                record(request, "opted an address out", optout.email)
        except InvalidField as error:
            add_errors(form, error)
        else:
            messages.success(request, f"{optout.email} is opted out: no campaign mails it from now on.")
            return redirect("web:optouts")
    return _add_page(request, form, FileForm())


def upload(request: PageRequest) -> HttpResponse:
    """A file of addresses, carried out as a job."""
    form = FileForm(request.POST, request.FILES)
    job = uploads.start_job(request, form, None)
    if job is not None:
        return uploads.to_import(request, job)
    if is_partial(request):
        return render(request, "web/uploads/_errors.html", {"form": form})
    return _add_page(request, AddressForm(), form)


def remove(request: PageRequest, optout_id: str) -> HttpResponse:
    """Asks why."""
    optout = find(OptOut, request.client, optout_id)
    form = RemoveForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            registry.remove_optout(
                request.client, optout_id, reason=form.cleaned_data["reason"], removed_by=request.user.email
            )
            record(request, "removed an opt-out", f"{optout.email}: {form.cleaned_data['reason']}")
        messages.success(request, f"{optout.email} may be mailed again.")
        return redirect("web:optouts")
    names = campaign_names(request, [optout.campaign_object_id])
    context = {
        "form": form,
        "optout": optout,
        "source": SOURCES[Source(optout.source)],
        "campaign": names.get(optout.campaign_object_id, ""),
    }
    return render(request, "web/optouts/remove.html", context)


def campaign_names(request: PageRequest, object_ids: list[str]) -> dict[str, str]:
    """The names of those campaigns of the client that are still there, by object id."""
    wanted = {object_id for object_id in object_ids if object_id}
    if not wanted:
        return {}
    found = Campaign.objects.filter(client=request.client, object_id__in=wanted)
    return dict(found.values_list("object_id", "name"))


def _add_page(request: PageRequest, form: AddressForm, file_form: FileForm) -> HttpResponse:
    context = {
        "form": form,
        "file_form": file_form,
        "imports": latest_imports(request.client, OF_OPTOUTS, None, SHOWN_IMPORTS),
    }
    return render(request, "web/optouts/add.html", context)
