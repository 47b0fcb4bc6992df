"""One's own account: the time zone. Password and second factors are django-allauth's pages."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from sendmill.campaigns.timezones import timezone_names
from sendmill.web.requests import PageRequest


class AccountForm(forms.Form):
    timezone = forms.ChoiceField(
        required=False,
        label="Time zone",
        help_text="Times are shown in it, and a campaign's own zone beside it.",
    )

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type] # passed on as they are
        zones = sorted(timezone_names())
        self.fields["timezone"].choices = [("", "As the browser has it"), *zip(zones, zones, strict=True)]  # type: ignore[attr-defined]


def show(request: PageRequest) -> HttpResponse:
    form = AccountForm(request.POST or None, initial={"timezone": request.user.timezone})
    if request.method == "POST" and form.is_valid():
        request.user.timezone = form.cleaned_data["timezone"]
        request.user.save(update_fields=["timezone"])
        messages.success(request, "Saved.")
        return redirect("web:account")
    return render(request, "web/account.html", {"form": form})
