"""Making a campaign: the check before it, a test message, and the start."""

from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages as notes
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from sendmill.addresses import InvalidAddress, domain_of, envelope_address
from sendmill.campaigns.attributes import parse_schedule
from sendmill.campaigns.checks import (
    Finding,
    Level,
    audience_finding,
    contact_set_of,
    content_findings,
    message_of,
    rejected_findings,
)
from sendmill.campaigns.drafts import create_from, find_draft, sections
from sendmill.campaigns.models import CampaignDraft
from sendmill.contacts.browsing import contact_count, contacts_at
from sendmill.contacts.counting import NOTHING_COUNTED, Counted, count_barred
from sendmill.contacts.models import ContactGroup, ContactSet
from sendmill.contacts.sample import sample_columns
from sendmill.content.compile import Recipient
from sendmill.content.footer import Footer, with_footer
from sendmill.content.template import RenderError, TemplateError
from sendmill.delivery.relays import parse_relays
from sendmill.delivery.single import send_single, single_message
from sendmill.delivery.transmission import Outcome, OutcomeKind
from sendmill.errors import Conflict, InvalidField, InvalidFields
from sendmill.senders.dkim_keys import UnreadableKey
from sendmill.senders.dns_records import RecordState
from sendmill.senders.models import Sender
from sendmill.web.domain_checks import checks_of_domain
from sendmill.web.draft_steps import next_step, step_context, steps_of
from sendmill.web.paging import read_number
from sendmill.web.requests import PageRequest, record


def check(request: PageRequest) -> HttpResponse:
    """What is to be said of the campaign; a POST with `start` (`now` or `scheduled`) makes it."""
    draft = _draft(request)
    steps = steps_of(draft, "check")
    if next_step(steps).key != "check":
        return redirect(next_step(steps).url)
    if request.method == "POST":
        return _start(request, draft)
    found = sections(draft)
    contact_set = contact_set_of(request.client, found["contact_group"], draft.staged_import)
    message = message_of(request.client, found["message"])
    assert contact_set is not None, "its step is done"
    assert message is not None, "its step is done"
    has_time = bool(found["schedule"]["start_date"])
    starts_at = parse_schedule(found["schedule"]).starts_at if has_time else None
    groups = ContactGroup.objects.filter(client=request.client, object_id=found["contact_group"].get("_id", ""))
    findings = content_findings(request.client, *message, sample_columns(contact_set))
    context = {
        **step_context(draft, "check"),
        "findings": [*rejected_findings(draft.staged_import), *findings],
        "subject": message[0],
        "sender": Sender.objects.filter(client=request.client, object_id=found["schedule"]["sender_id"]).first(),
        "list_name": draft.file_name if draft.staged_import else groups.values_list("tag", flat=True).first(),
        "schedule": found["schedule"],
        "starts_at": starts_at,
        "is_past": starts_at is not None and starts_at <= timezone.now(),
        "test_address": request.user.email,
    }
    return render(request, "web/campaigns/draft_check.html", context)


def audience(request: PageRequest) -> HttpResponse:
    """How many get it; a part of the page that asks for the next by itself, for counting a million takes a while."""
    draft = _draft(request)
    contact_set = contact_set_of(request.client, sections(draft).get("contact_group", {}), draft.staged_import)
    if contact_set is None:
        return _findings(request, [])
    counted = count_barred(request.client.pk, contact_set, _counted_so_far(request, contact_set))
    if counted.next is None:
        return _findings(request, [audience_finding(counted)])
    query = {"set": contact_set.pk, "looked": counted.looked_through, "barred": counted.barred, "next": counted.next}
    context = {"counted": counted, "contacts": contact_count(contact_set), "query": urlencode(query)}
    return render(request, "web/campaigns/_counting.html", context)


def _counted_so_far(request: PageRequest, contact_set: ContactSet) -> Counted:
    """What the part before has counted; nothing if the list is another one by now."""
    asked_for, looked_through, barred, following = (
        read_number(request, name) for name in ("set", "looked", "barred", "next")
    )
    if asked_for != contact_set.pk or looked_through is None or barred is None:
        return NOTHING_COUNTED
    return Counted(looked_through, barred, following or 0)


def dns(request: PageRequest) -> HttpResponse:
    """What DNS says of the sender's domain; a part of the page, for DNS may take a while."""
    schedule = sections(_draft(request)).get("schedule", {})
    sender = Sender.objects.filter(client=request.client, object_id=schedule.get("sender_id", "")).first()
    return _findings(request, [] if sender is None else _dns_findings(request, sender))


def test(request: PageRequest) -> HttpResponse:
    """Send the message to the user themselves, filled in as for the list's first contact."""
    draft = _draft(request)
    outcome = _send_test(request, draft)
    address = request.user.email
    if outcome.kind is OutcomeKind.ACCEPTED:
        record(request, "sent a test message", address)
        notes.success(request, f"The test is on its way to {address}: {outcome.relay} has taken it.")
    else:
        said = f"{outcome.code or ''} {outcome.reply}".strip()
        notes.error(request, f"The test to {address} did not get through: {said}")
    return redirect("web:draft-check")


def _draft(request: PageRequest) -> CampaignDraft:
    draft = find_draft(request.client, request.user)
    if draft is None:
        raise Conflict("There is no draft: it has been started or discarded, maybe in another window.")
    return draft


def _start(request: PageRequest, draft: CampaignDraft) -> HttpResponse:
    at_once = request.POST.get("start") == "now"
    try:
        campaign = create_from(draft, now=timezone.now() if at_once else None)
    except (InvalidField, InvalidFields) as error:
        errors = error.errors if isinstance(error, InvalidFields) else (error,)
        notes.error(request, " ".join(f"{one.path[-1]}: {one.reason}" for one in errors))
        return redirect("web:draft-check")
    record(request, "started a campaign" if at_once else "scheduled a campaign", campaign.name)
    notes.success(request, "It is starting." if at_once else "It is scheduled.")
    return redirect("web:campaign", campaign.object_id)


def _findings(request: PageRequest, findings: list[Finding]) -> HttpResponse:
    return render(request, "web/campaigns/_findings.html", {"findings": findings})


def _dns_findings(request: PageRequest, sender: Sender) -> list[Finding]:
    domain = domain_of(envelope_address(sender.email).octets.decode())
    findings = []
    for one in checks_of_domain(request.client, domain):
        if one.state is RecordState.GOOD:
            findings.append(Finding(Level.GOOD, f"{one.subject} of {one.name}", one.explanation))
        else:
            wanted = f" Publish at `{one.name}` ({one.type}): `{one.wanted}`" if one.wanted else ""
            if one.is_without_key:
                wanted = " Make one on the domain’s page, under Senders."
            level = Level.PROBLEM if one.state is RecordState.WRONG else Level.ADVICE
            findings.append(Finding(level, f"{one.subject} of {one.name}", one.explanation + wanted))
    return findings


def _send_test(request: PageRequest, draft: CampaignDraft) -> Outcome:
    found = sections(draft)
    message = message_of(request.client, found.get("message", {}))
    contact_set = contact_set_of(request.client, found.get("contact_group", {}), draft.staged_import)
    schedule = found.get("schedule", {})
    sender = Sender.objects.filter(client=request.client, object_id=schedule.get("sender_id", "")).first()
    if message is None or contact_set is None or sender is None:
        raise Conflict("Message, people and sender have to be chosen first.")
    subject, body = message
    if request.client.adds_footer:
        body = with_footer(body, Footer(request.client.postal_address, request.client.language))
    first = contacts_at(contact_set, 0, 1)
    name, fields = first[0][1:3] if first else ("", {})
    try:
        transmission = single_message(
            request.client, sender.email, subject, body, Recipient(name, request.user.email, fields)
        )
    except (TemplateError, RenderError, InvalidAddress, UnreadableKey) as error:
        return Outcome(0, OutcomeKind.NOT_SENT, None, str(error), "")
    relays = parse_relays(settings.SENDMILL_SMTP_URL)
    return send_single(transmission, sender.email, request.client, relays)
