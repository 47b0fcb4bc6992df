"""What operators do for all clients: make them, see who there is, end somebody's access, make operators."""

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Prefetch, Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from sendmill.accounts import audit, operators
from sendmill.accounts import people as memberships
from sendmill.accounts.clients import make_client
from sendmill.accounts.models import Client, Kind, Membership, Role, User
from sendmill.accounts.names import MAX_NAME_LENGTH
from sendmill.errors import Conflict, InvalidField
from sendmill.web.forms import add_errors
from sendmill.web.paging import Window, window
from sendmill.web.requests import PageRequest

PAGE_ROWS = 50


class ClientForm(forms.Form):
    name = forms.CharField(max_length=MAX_NAME_LENGTH, label="Name of the client")
    email = forms.EmailField(
        required=False,
        label="Email of its first owner",
        help_text="You get a link to give to them. Without an owner you alone can use it, and invite somebody later.",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )


class OperatorForm(forms.Form):
    email = forms.EmailField(
        label="Email",
        help_text="Of somebody who signs in here.",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )


def clients(request: PageRequest) -> HttpResponse:
    """All clients, newest first, narrowed by `q`."""
    wanted = _wanted(request)
    rows = Client.objects.filter(name__icontains=wanted) if wanted else Client.objects.all()
    members = Count("memberships", filter=Q(memberships__user__is_active=True))
    shown: Window[Client] = window(request, rows.annotate(members=members), PAGE_ROWS)
    return render(request, "web/installation/clients.html", {"window": shown, "wanted": wanted})


def add_client(request: PageRequest) -> HttpResponse:
    """Make a client. The link for its owner is in the answer, this once."""
    form = ClientForm(request.POST or None)
    context: dict[str, object] = {"form": form}
    if request.method == "POST" and form.is_valid():
        email = form.cleaned_data["email"]
        try:
            with transaction.atomic():
                client = make_client(form.cleaned_data["name"])
                _record(request, client, "made the client", client.name)
                _record(request, None, "made a client", client.name)
                token = memberships.invite(client, email, Role.OWNER, request.user) if email else ""
                if email:
                    _record(request, client, "invited as owner", email)
        except InvalidField as error:
            add_errors(form, error)
        else:
            link = settings.SENDMILL_PUBLIC_URL + reverse("web:invitation", kwargs={"token": token}) if token else ""
            context = {"made": client, "link": link, "invited": email, "form": ClientForm()}
    return render(request, "web/installation/add_client.html", context)


def people(request: PageRequest) -> HttpResponse:
    """Everybody who signs in, newest first, narrowed by `q`; and a form that makes an operator."""
    form = OperatorForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                user = operators.make_operator(form.cleaned_data["email"])
                _record(request, None, "made an operator", user.email)
        except InvalidField as error:
            add_errors(form, error)
        else:
            messages.success(request, f"{user.email} is an operator now.")
            return redirect("web:installation-people")
    wanted = _wanted(request)
    rows = User.objects.filter(email__icontains=wanted) if wanted else User.objects.all()
    of_clients = Membership.objects.select_related("client").order_by("client__name")
    shown = window(request, rows.prefetch_related(Prefetch("memberships", of_clients)), PAGE_ROWS)
    return render(request, "web/installation/people.html", {"window": shown, "wanted": wanted, "form": form})


def deactivate(request: PageRequest, user_id: int) -> HttpResponse:
    try:
        with transaction.atomic():
            user = operators.deactivate(user_id, request.user)
            _record_everywhere(request, user, "deactivated")
    except Conflict as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{user.email} is signed out everywhere, and can't sign in any more.")
    return redirect("web:installation-people")


def reactivate(request: PageRequest, user_id: int) -> HttpResponse:
    with transaction.atomic():
        user = operators.reactivate(user_id)
        _record_everywhere(request, user, "reactivated")
    messages.success(request, f"{user.email} can sign in again.")
    return redirect("web:installation-people")


def end_operator(request: PageRequest, user_id: int) -> HttpResponse:
    try:
        with transaction.atomic():
            user = operators.end_operator(user_id)
            _record(request, None, "ended the operator role", user.email)
    except Conflict as error:
        messages.error(request, str(error))
        return redirect("web:installation-people")
    messages.success(request, f"{user.email} is no operator any more.")
    return redirect("web:overview" if user == request.user else "web:installation-people")


def _record(request: PageRequest, client: Client | None, action: str, subject: str) -> None:
    audit.record(client, audit.person(request.user), Kind.PEOPLE, action, subject)


def _record_everywhere(request: PageRequest, user: User, action: str) -> None:
    """In the installation's log, and for those whom it concerns: in that of each client of the user's."""
    _record(request, None, action, user.email)
    for client in Client.objects.filter(memberships__user=user):
        _record(request, client, action, user.email)


def _wanted(request: PageRequest) -> str:
    return request.GET.get("q", "").strip()
