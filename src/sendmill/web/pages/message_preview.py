"""A message that is being written, as a contact would get it: a frame for what it looks like, and facts beside it."""

from typing import NamedTuple

from django.http import HttpResponse
from django.shortcuts import render

from sendmill.accounts.models import Client
from sendmill.campaigns.checks import CLIPPED_OCTETS, offered_variables
from sendmill.contacts.models import ContactGroup
from sendmill.contacts.sample import contacts_like, sample_columns
from sendmill.content.compile import Recipient
from sendmill.content.footer import Footer, with_footer
from sendmill.content.library import check_message
from sendmill.content.preview import MessagePreview, preview_message, variables_in
from sendmill.content.template import RenderError, TemplateError
from sendmill.delivery.render import link_bases
from sendmill.errors import InvalidField, InvalidFields
from sendmill.ids import parse_object_id
from sendmill.web import preview_frame
from sendmill.web.requests import PageRequest


class Asked(NamedTuple):
    """What is to be shown, and as whom. `next_position` is that of the contact after this one among those found.
    `is_other`: nobody was found, and this is the group's first contact."""

    subject: str
    body: str
    recipient: Recipient
    is_contact: bool
    is_other: bool
    next_position: int | None
    columns: list[str]


def frame(request: PageRequest) -> HttpResponse:
    """What the message looks like; for a frame."""
    asked = _asked(request)
    try:
        preview = _preview(request.client, asked)
    except (TemplateError, RenderError) as error:
        return preview_frame.problem(request, str(error))
    return preview_frame.message(
        request, preview, loads_images="images" in request.POST, is_dark="dark" in request.POST
    )


def facts(request: PageRequest) -> HttpResponse:
    """Subject, size, text part, and what is wrong with it."""
    asked = _asked(request)
    errors: list[InvalidField] = []
    preview: MessagePreview | None = None
    try:
        check_message(description=asked.subject, email_message=asked.body)
        preview = _preview(request.client, asked)
    except InvalidFields as several:
        errors = list(several.errors)
    except (TemplateError, RenderError) as error:
        errors = [InvalidField("email_message", str(error))]
    context = {
        "asked": asked,
        "preview": preview,
        "errors": errors,
        "is_large": preview is not None and preview.html_octets > CLIPPED_OCTETS,
        "variables": offered_variables(asked.columns),
    }
    return render(request, "web/messages/_facts.html", context)


def _asked(request: PageRequest) -> Asked:
    subject = request.POST.get("description", "").replace("\0", "")
    body = request.POST.get("email_message", "").replace("\0", "").replace("\r\n", "\n")
    groups = ContactGroup.objects.select_related("contact_set").filter(
        client=request.client, object_id=parse_object_id(request.POST.get("group", ""))
    )
    group = groups.first()
    if group is not None:
        columns = sample_columns(group.contact_set)
        text, position = request.POST.get("contact", "").replace("\0", ""), _number(request.POST.get("position", ""))
        found = contacts_like(group.contact_set, text, position, 2)
        is_other = not found
        if is_other:
            position, found = 0, contacts_like(group.contact_set, "", 0, 2)
        if found:
            email, name, fields, *_ = found[0]
            following = position + 1 if len(found) > 1 and not is_other else None
            return Asked(subject, body, Recipient(name, email, fields), True, is_other, following, columns)
    return Asked(subject, body, _somebody(subject, body), False, False, None, [])


def _somebody(subject: str, body: str) -> Recipient:
    """Nobody in particular: each variable shows where it stands."""
    try:
        named = variables_in(subject) | variables_in(body)
    except TemplateError:
        named = frozenset()
    return Recipient("Anna Example", "anna@example.com", {name: f"[{name}]" for name in sorted(named)})


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _preview(client: Client, asked: Asked) -> MessagePreview:
    sent = with_footer(asked.body, Footer(client.postal_address, client.language)) if client.adds_footer else asked.body
    return preview_message(asked.subject, sent, asked.recipient, link_bases())
