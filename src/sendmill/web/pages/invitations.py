"""What a link of an invitation leads to: becoming a member, or the first owner."""

from typing import Any

from django import forms
from django.contrib import auth
from django.contrib.auth.password_validation import validate_password
from django.http import HttpResponse
from django.shortcuts import redirect, render

from sendmill.accounts import audit, people
from sendmill.accounts.models import Invitation, Kind, User
from sendmill.accounts.names import MAX_NAME_LENGTH
from sendmill.errors import InvalidField
from sendmill.web.forms import add_errors
from sendmill.web.guard import CLIENT_KEY
from sendmill.web.requests import PageRequest

_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


class PasswordForm(forms.Form):
    password = forms.CharField(
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 10 characters, and none that others use too.",
    )

    def __init__(self, data: Any = None, *, email: str = "") -> None:
        super().__init__(data)
        self._email = email

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password, User(email=self.cleaned_data.get("email", self._email)))
        return password


class FirstOwnerForm(PasswordForm):
    name = forms.CharField(max_length=MAX_NAME_LENGTH, label="Name of your company or first client")
    email = forms.EmailField(label="Your email", widget=forms.EmailInput(attrs={"autocomplete": "username"}))

    field_order = ("name", "email", "password")


def show(request: PageRequest, token: str) -> HttpResponse:
    """The page of an invitation's link. It changes nothing before a POST. Raises NotFound."""
    invitation = people.find_invitation(token)
    if invitation.client is None:
        return _first_owner(request, invitation)
    if User.objects.filter(email=invitation.email).exists():
        return _known_person(request, invitation)
    return _new_person(request, invitation)


def _first_owner(request: PageRequest, invitation: Invitation) -> HttpResponse:
    form = FirstOwnerForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            user = people.accept_first(invitation, given["name"], given["email"], given["password"])
        except InvalidField as error:
            add_errors(form, error)
        else:
            client = user.memberships.get().client
            audit.record(client, audit.person(user), Kind.PEOPLE, "made the client", client.name)
            auth.login(request, user, backend=_BACKEND)
            return redirect("web:overview")
    return render(request, "web/invitation/first.html", {"form": form})


def _known_person(request: PageRequest, invitation: Invitation) -> HttpResponse:
    """Somebody with an account joins as who they are."""
    if request.method == "POST" and request.user.is_authenticated:
        people.accept(invitation, request.user)
        return _welcome(request, invitation, request.user)
    return render(request, "web/invitation/known.html", {"invitation": invitation})


def _new_person(request: PageRequest, invitation: Invitation) -> HttpResponse:
    form = PasswordForm(request.POST or None, email=invitation.email)
    if request.method == "POST" and form.is_valid():
        user = people.accept_as_new(invitation, form.cleaned_data["password"])
        auth.login(request, user, backend=_BACKEND)
        return _welcome(request, invitation, user)
    return render(request, "web/invitation/new.html", {"invitation": invitation, "form": form})


def _welcome(request: PageRequest, invitation: Invitation, user: User) -> HttpResponse:
    assert invitation.client is not None
    action = f"joined as {invitation.get_role_display().lower()}"
    audit.record(invitation.client, audit.person(user), Kind.PEOPLE, action, user.email)
    request.session[CLIENT_KEY] = invitation.client.object_id
    return redirect("web:overview")
