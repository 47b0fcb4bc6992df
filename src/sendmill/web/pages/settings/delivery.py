"""Settings: the relays, how they are, and the limits. Clients see what is theirs; operators set limits."""

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render

from sendmill.accounts import audit
from sendmill.accounts.access import Access
from sendmill.accounts.models import Kind
from sendmill.addresses import address_key
from sendmill.delivery import limits
from sendmill.delivery.gates import LimitKey, LimitKind, LimitValues
from sendmill.delivery.reports import Reports, read_reports
from sendmill.errors import InvalidField
from sendmill.senders.models import Sender
from sendmill.web.forms import add_errors
from sendmill.web.requests import PageRequest, is_partial


class LimitForm(forms.Form):
    kind = forms.ChoiceField(
        label="For", choices=[(kind.value, kind.value.capitalize()) for kind in LimitKind], initial=LimitKind.DOMAIN
    )
    name = forms.CharField(
        max_length=320, label="Named", help_text="host:port of a relay, an address, a client's id, or a domain"
    )
    rate = forms.FloatField(required=False, min_value=0, label="Messages a second")
    connections = forms.IntegerField(required=False, min_value=1, label="Connections")
    weight = forms.IntegerField(
        required=False, min_value=1, label="Weight", help_text="A client's share where clients compete; 1 without"
    )


def show(request: PageRequest) -> HttpResponse:
    """Relays and limits; htmx asks for the relays every few seconds."""
    reports = read_reports()
    context = {"relays": _relays(request, reports), "workers": reports.workers}
    if is_partial(request):
        return render(request, "web/settings/_relays.html", context)
    form = LimitForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                name = _set(request, form)
        except InvalidField as error:
            add_errors(form, error)
        else:
            messages.success(request, f"The limit for {name} is set. Workers follow it within two seconds.")
            return redirect("web:settings-delivery")
    context |= {"limits": _limits(request), "form": form}
    return render(request, "web/settings/delivery.html", context)


def remove_limit(request: PageRequest) -> HttpResponse:
    kind, name = request.POST.get("kind", ""), request.POST.get("name", "").replace("\0", "")
    if kind not in list(LimitKind):
        messages.error(request, "There is no limit of that kind.")
        return redirect("web:settings-delivery")
    key = LimitKey(LimitKind(kind), name)
    with transaction.atomic():
        limits.remove_limit(key)
        _record(request, "removed a limit", key)
    messages.success(request, f"{kind.capitalize()} {name} has no limit any more.")
    return redirect("web:settings-delivery")


def _set(request: PageRequest, form: LimitForm) -> str:
    given = form.cleaned_data
    key = limits.limit_key(LimitKind(given["kind"]), given["name"])
    limits.set_limit(key, LimitValues(given["rate"], given["connections"], given["weight"] or 1))
    _record(request, "set a limit", key)
    return f"{key.kind} {key.name}"


def _record(request: PageRequest, action: str, key: LimitKey) -> None:
    """In the log of the client whose limit it is, whichever is shown now; else in the installation's."""
    audit.record(limits.client_of(key), audit.person(request.user), Kind.SETTINGS, action, f"{key.kind} {key.name}")


def _relays(request: PageRequest, reports: Reports) -> list[dict[str, object]]:
    """Operators see all, and what went wrong; others those that take their mail."""
    senders = _senders(request)
    is_operator = request.access >= Access.OPERATOR
    return [
        {"status": relay, "is_up": relay.state == "up", "is_down": relay.state == "down"}
        for relay in reports.relays
        if is_operator or any(relay.takes(sender, request.client.object_id) for sender in senders or [""])
    ]


def _limits(request: PageRequest) -> list[tuple[LimitKey, LimitValues]]:
    """An operator's are all; a client's are its own, and its senders'."""
    found = sorted(limits.load_limits().items())
    if request.access >= Access.OPERATOR:
        return found
    own = {LimitKey(LimitKind.CLIENT, request.client.object_id)}
    own |= {LimitKey(LimitKind.SENDER, sender) for sender in _senders(request)}
    return [(key, values) for key, values in found if key in own]


def _senders(request: PageRequest) -> list[str]:
    addresses = Sender.objects.filter(client=request.client).values_list("email", flat=True)
    return [address_key(address) for address in addresses]
