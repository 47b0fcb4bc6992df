"""Settings: who may do what for the client."""

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from sendmill.accounts import people
from sendmill.accounts.models import Invitation, Membership, Role
from sendmill.errors import Conflict, InvalidField
from sendmill.web.forms import add_errors
from sendmill.web.requests import PageRequest, record


class InviteForm(forms.Form):
    email = forms.EmailField(label="Email", widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    role = forms.ChoiceField(choices=Role.choices, initial=Role.EDITOR)


def show(request: PageRequest) -> HttpResponse:
    """Members, invitations that are open, and a form to invite. A new link is shown in the answer, this once."""
    form = InviteForm(request.POST or None)
    link = ""
    if request.method == "POST" and form.is_valid():
        email, role = form.cleaned_data["email"], Role(form.cleaned_data["role"])
        try:
            with transaction.atomic():
                token = people.invite(request.client, email, role, request.user)
                record(request, f"invited as {role.label.lower()}", email)
        except InvalidField as error:
            add_errors(form, error)
        else:
            link = settings.SENDMILL_PUBLIC_URL + reverse("web:invitation", kwargs={"token": token})
    members = Membership.objects.filter(client=request.client).select_related("user").order_by("user__email")
    invitations = Invitation.objects.filter(client=request.client, expires_on__gt=timezone.now()).order_by("email")
    context = {
        "form": InviteForm() if link else form, "link": link, "invited": form.cleaned_data["email"] if link else "",
        "members": members, "invitations": invitations, "roles": Role.choices,
    }  # fmt: skip
    return render(request, "web/settings/people.html", context)


def change_role(request: PageRequest, membership_id: int) -> HttpResponse:
    try:
        with transaction.atomic():
            member = people.change_role(request.client, membership_id, request.POST.get("role", ""))
            record(request, f"made {member.get_role_display().lower()}", member.user.email)
    except (Conflict, InvalidField) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{member.user.email} is {member.get_role_display().lower()} now.")
    return redirect("web:settings-people")


def remove(request: PageRequest, membership_id: int) -> HttpResponse:
    try:
        with transaction.atomic():
            user = people.remove(request.client, membership_id)
            record(request, "removed from the client", user.email)
    except Conflict as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{user.email} is no member any more.")
    return redirect("web:settings-people")


def withdraw(request: PageRequest, invitation_id: int) -> HttpResponse:
    with transaction.atomic():
        email = people.withdraw(request.client, invitation_id)
        record(request, "withdrew the invitation", email)
    messages.success(request, f"The link for {email} no longer works.")
    return redirect("web:settings-people")
