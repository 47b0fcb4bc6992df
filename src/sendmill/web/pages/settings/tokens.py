"""Settings: the tokens that programs use the API with."""

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render

from sendmill.accounts import tokens
from sendmill.accounts.names import MAX_NAME_LENGTH
from sendmill.errors import InvalidField
from sendmill.web.forms import add_errors
from sendmill.web.requests import PageRequest, record


class TokenForm(forms.Form):
    name = forms.CharField(
        max_length=MAX_NAME_LENGTH,
        help_text="The program that will use it, so that you know later which to revoke.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


def show(request: PageRequest) -> HttpResponse:
    """The tokens, and a form for a new one, whose text is in the answer, this once."""
    form = TokenForm(request.POST or None)
    made = ""
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                made = tokens.issue_named_token(request.client, form.cleaned_data["name"])
                record(request, "made an API token", form.cleaned_data["name"])
        except InvalidField as error:
            add_errors(form, error)
    context = {"form": TokenForm() if made else form, "made": made, "tokens": tokens.tokens_of(request.client)}
    response = render(request, "web/settings/tokens.html", context)
    if made:
        response["Cache-Control"] = "no-store"
    return response


def revoke(request: PageRequest, token_id: int) -> HttpResponse:
    with transaction.atomic():
        name = tokens.revoke_token(request.client, token_id)
        record(request, "revoked an API token", name)
    messages.success(request, f"The token “{name}” no longer works.")
    return redirect("web:settings-tokens")
