"""Senders: the addresses that campaigns are sent from, and the DNS of their domains."""

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from sendmill.accounts.resources import find
from sendmill.addresses import domain_of
from sendmill.campaigns.lifecycle import Part, ensure_unused
from sendmill.errors import Conflict, InvalidField
from sendmill.senders import domains, registry
from sendmill.senders.dns_records import RecordState
from sendmill.senders.models import Sender
from sendmill.web.domain_checks import checks_of_domain
from sendmill.web.forms import add_errors
from sendmill.web.paging import window
from sendmill.web.requests import PageRequest, record

PAGE_ROWS = 100


class SenderForm(forms.Form):
    email = forms.CharField(
        label="Address",
        max_length=320,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        help_text="Recipients see it, and their answers go there.",
    )
    description = forms.CharField(
        label="Name in Sendmill", help_text="How you find it when you make a campaign. Recipients don't see it."
    )


class KeyForm(forms.Form):
    algorithm = forms.ChoiceField(
        label="Kind of key",
        choices=[("rsa", "RSA, 2048 bits: every mail server reads it"), ("ed25519", "Ed25519: short, not read by all")],
    )
    selector = forms.CharField(
        label="Selector", required=False, max_length=63, help_text="Leave it empty for one made of today's date."
    )


def index(request: PageRequest) -> HttpResponse:
    """The addresses, newest first."""
    shown = window(request, Sender.objects.filter(client=request.client), PAGE_ROWS)
    rows = [(sender, domain_of(sender.email)) for sender in shown.rows]
    return render(request, "web/senders/index.html", {"rows": rows, "window": shown})


def add(request: PageRequest) -> HttpResponse:
    form = SenderForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            sender = registry.add_sender(request.client, **form.cleaned_data)
        except InvalidField as error:
            add_errors(form, error)
        else:
            record(request, "added a sender", sender.email)
            messages.success(request, f"{sender.email} is a sender now. Check that its domain is ready.")
            return redirect("web:sending-domain", domain=domain_of(sender.email))
    return render(request, "web/senders/form.html", {"form": form})


def edit(request: PageRequest, sender_id: str) -> HttpResponse:
    sender = find(Sender, request.client, sender_id)
    form = SenderForm(request.POST or None, initial={"email": sender.email, "description": sender.description})
    if request.method == "POST" and form.is_valid():
        try:
            sender = registry.update_sender(request.client, sender_id, **form.cleaned_data)
        except InvalidField as error:
            add_errors(form, error)
        else:
            record(request, "changed a sender", sender.email)
            messages.success(request, "Saved.")
            return redirect("web:senders")
    return render(request, "web/senders/form.html", {"form": form, "sender": sender})


def delete(request: PageRequest, sender_id: str) -> HttpResponse:
    sender = find(Sender, request.client, sender_id)
    try:
        with transaction.atomic():
            ensure_unused(request.client, Part.SENDER, sender_id)
            registry.delete_sender(request.client, sender_id)
            record(request, "deleted a sender", sender.email)
    except Conflict as error:
        messages.error(request, str(error))
        return redirect("web:sender", sender_id=sender_id)
    messages.success(request, f"{sender.email} is deleted.")
    return redirect("web:senders")


def domain(request: PageRequest, domain: str) -> HttpResponse:
    """A domain's keys; what DNS says is loaded by itself, for that may take seconds."""
    domains.ensure_own_domain(request.client, domain)
    return _domain_page(request, domain, KeyForm())


def domain_records(request: PageRequest, domain: str) -> HttpResponse:
    """A part of the page: what DNS says now."""
    domains.ensure_own_domain(request.client, domain)
    checks = checks_of_domain(request.client, domain)
    is_ready = all(check.state in (RecordState.GOOD, RecordState.ADVICE) for check in checks)
    context = {"domain": domain, "checks": checks, "is_ready": is_ready}
    return render(request, "web/senders/_records.html", context)


def add_key(request: PageRequest, domain: str) -> HttpResponse:
    form = KeyForm(request.POST)
    if form.is_valid():
        try:
            key = domains.add_own_key(request.client, domain, **form.cleaned_data)
        except InvalidField as error:
            add_errors(form, error)
        except Conflict as error:
            form.add_error("selector", f"{error} Choose another one.")
        else:
            record(request, "made a DKIM key", str(key))
            messages.success(request, "The key is made, and signs from now on. Add its record to your DNS now.")
            return redirect("web:sending-domain", domain=domain)
    domains.ensure_own_domain(request.client, domain)
    return _domain_page(request, domain, form)


def delete_key(request: PageRequest, domain: str, selector: str) -> HttpResponse:
    domains.remove_own_key(request.client, domain, selector)
    record(request, "deleted a DKIM key", f"{selector}._domainkey.{domain}")
    messages.success(request, "The key is deleted. Its DNS record can go in a week, when all mail has arrived.")
    return redirect("web:sending-domain", domain=domain)


def _domain_page(request: PageRequest, domain: str, form: KeyForm) -> HttpResponse:
    context = {
        "domain": domain,
        "keys": domains.keys_of_domain(request.client, domain),
        "form": form,
        "records_url": reverse("web:sending-domain-records", kwargs={"domain": domain}),
    }
    return render(request, "web/senders/domain.html", context)
