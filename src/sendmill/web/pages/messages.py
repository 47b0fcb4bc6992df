"""Messages: the list, and the editor."""

from django.contrib import messages as notes
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render

from sendmill.accounts.access import Access
from sendmill.accounts.resources import find
from sendmill.campaigns.lifecycle import Part, ensure_unused
from sendmill.content.library import add_message, delete_message, update_message
from sendmill.content.models import Message
from sendmill.errors import Conflict, InvalidField
from sendmill.web.forms import add_errors
from sendmill.web.message_forms import MessageForm, editor_context
from sendmill.web.paging import window
from sendmill.web.requests import PageRequest, is_partial, record

PAGE_ROWS = 20


def index(request: PageRequest) -> HttpResponse:
    """The list, newest first, narrowed by `q` (part of the subject)."""
    rows = Message.objects.filter(client=request.client).defer("email_message")
    wanted = request.GET.get("q", "").strip()
    shown = window(request, rows.filter(description__icontains=wanted) if wanted else rows, PAGE_ROWS)
    context = {"window": shown, "wanted": wanted}
    return render(request, f"web/messages/{'_list' if is_partial(request) else 'index'}.html", context)


def new(request: PageRequest) -> HttpResponse:
    """The editor, empty."""
    form = MessageForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            message = add_message(request.client, **form.cleaned_data)
        except InvalidField as error:
            add_errors(form, error)
        else:
            record(request, "made a message", message.description)
            notes.success(request, "The message is saved.")
            return redirect("web:message", message.object_id)
    return render(request, "web/messages/edit.html", editor_context(request.client, form))


def edit(request: PageRequest, message_id: str) -> HttpResponse:
    """The editor of one message. Viewers can look at it and preview it."""
    message = find(Message, request.client, message_id)
    kept = {"description": message.description, "email_message": message.email_message}
    form = MessageForm(request.POST or None, initial=kept)
    if request.access < Access.EDITOR:
        for field in form.fields.values():
            field.widget.attrs["readonly"] = True
    if request.method == "POST" and form.is_valid():
        try:
            update_message(request.client, message_id, **form.cleaned_data)
        except InvalidField as error:
            add_errors(form, error)
        else:
            record(request, "changed a message", form.cleaned_data["description"])
            notes.success(request, "The message is saved. Campaigns that have started keep what they began with.")
            return redirect("web:message", message_id)
    context = {**editor_context(request.client, form), "message": message}
    return render(request, "web/messages/edit.html", context)


def delete(request: PageRequest, message_id: str) -> HttpResponse:
    """Delete a message that no campaign needs."""
    message = find(Message, request.client, message_id)
    try:
        with transaction.atomic():
            ensure_unused(request.client, Part.MESSAGE, message_id)
            delete_message(request.client, message_id)
            record(request, "deleted a message", message.description)
    except Conflict as error:
        notes.error(request, str(error))
        return redirect("web:message", message_id)
    notes.success(request, "The message is deleted.")
    return redirect("web:messages")
