"""Settings: the client's name, its postal address and footer."""

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render

from sendmill.accounts.clients import rename, set_footer
from sendmill.accounts.names import MAX_NAME_LENGTH
from sendmill.errors import InvalidField, InvalidFields, all_of
from sendmill.languages import LANGUAGES
from sendmill.web.forms import add_errors
from sendmill.web.requests import PageRequest, record

_LANGUAGE_NAMES = {
    "en": "English", "de": "Deutsch", "fr": "Français", "es": "Español", "pt": "Português", "it": "Italiano",
    "nl": "Nederlands", "pl": "Polski",
}  # fmt: skip


class GeneralForm(forms.Form):
    name = forms.CharField(max_length=MAX_NAME_LENGTH, help_text="Your people see it; recipients don't.")
    postal_address = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "autocomplete": "street-address"}),
        help_text="Stands in the footer. Many countries ask for it in commercial mail.",
    )
    adds_footer = forms.BooleanField(
        required=False,
        label="Add a footer to messages without a link to unsubscribe",
        help_text="It has that link and the postal address.",
    )
    language = forms.ChoiceField(
        choices=[(code, _LANGUAGE_NAMES.get(code, code)) for code in LANGUAGES],
        help_text="Of the footer, and of the pages that recipients see.",
    )


def show(request: PageRequest) -> HttpResponse:
    """The form, and a POST of it. Campaigns that have started keep the footer that they have."""
    client = request.client
    fields = ("name", "postal_address", "adds_footer", "language")
    form = GeneralForm(request.POST or None, initial={name: getattr(client, name) for name in fields})
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            with transaction.atomic():
                all_of(
                    lambda: rename(client, given["name"]),
                    lambda: set_footer(client, **{name: given[name] for name in fields[1:]}),
                )
                record(request, "changed the settings", ", ".join(form.changed_data))
        except (InvalidField, InvalidFields) as error:
            add_errors(form, error)
            client.refresh_from_db()
        else:
            messages.success(request, "Saved. Campaigns that start from now on have it.")
            return redirect("web:settings")
    return render(request, "web/settings/general.html", {"form": form})
