"""Contact groups, and the contacts in one."""

from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render

from sendmill.accounts.resources import find
from sendmill.campaigns.lifecycle import Part, ensure_unused
from sendmill.contacts import groups
from sendmill.contacts.browsing import contact_count, contacts_at, search_contacts
from sendmill.contacts.export import exported_contacts
from sendmill.contacts.import_log import latest_imports
from sendmill.contacts.models import OF_OPTOUTS, ContactGroup, ImportKind
from sendmill.contacts.single import drop_contact, put_contact
from sendmill.errors import Conflict, InvalidField
from sendmill.web.downloads import download
from sendmill.web.forms import add_errors
from sendmill.web.pages import uploads
from sendmill.web.paging import read_number, window
from sendmill.web.requests import PageRequest, is_partial, record

PAGE_GROUPS = 50
PAGE_CONTACTS = 50
MOST_FOUND = 1_000
"""So many contacts that a search finds are shown: to find one of more, one types more of the address."""

SHOWN_FIELDS = 4
SHOWN_IMPORTS = 3


class GroupForm(forms.Form):
    tag = forms.CharField(label="Name of the group", max_length=500)


class ContactForm(forms.Form):
    email = forms.CharField(label="Address", max_length=320, widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    name = forms.CharField(
        label="Name", max_length=1000, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )


class FileForm(uploads.FileForm):
    action = forms.ChoiceField(
        label="What to do with the rows",
        choices=[
            (ImportKind.UPDATE, "Add and update: who is not in the file stays as they are"),
            (ImportKind.REPLACE, "Replace: afterwards the group is exactly what is in the file"),
            (ImportKind.DELETE, "Delete: who is in the file leaves the group"),
        ],
        widget=forms.RadioSelect,
        initial=ImportKind.UPDATE,
    )


def index(request: PageRequest) -> HttpResponse:
    """The groups, newest first."""
    groups_of_client = ContactGroup.objects.filter(client=request.client).select_related("contact_set")
    shown = window(request, groups_of_client, PAGE_GROUPS)
    rows = [(group, contact_count(group.contact_set)) for group in shown.rows]
    return render(request, "web/contacts/index.html", {"rows": rows, "window": shown})


def add(request: PageRequest) -> HttpResponse:
    form = GroupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        group = groups.add_group(request.client, **form.cleaned_data)
        record(request, "added a contact group", group.tag)
        return redirect("web:group-upload", group_id=group.object_id)
    return render(request, "web/contacts/form.html", {"form": form})


def show(request: PageRequest, group_id: str) -> HttpResponse:
    """The contacts in their order, or those whose address has `q` in it; `after` is how many to pass over."""
    group = find(ContactGroup, request.client, group_id)
    wanted = request.GET.get("q", "").strip()
    after = read_number(request, "after") or 0
    if wanted:
        after = min(after, MOST_FOUND)
        found = search_contacts(group.contact_set, wanted, after + PAGE_CONTACTS + 1)[after:]
    else:
        found = contacts_at(group.contact_set, after, PAGE_CONTACTS + 1)
    is_cut = bool(wanted) and after + PAGE_CONTACTS >= MOST_FOUND and len(found) > PAGE_CONTACTS
    older = {"q": wanted, "after": after + PAGE_CONTACTS}
    context = {
        "group": group,
        "rows": [
            (email, name, list(fields.items())[:SHOWN_FIELDS]) for email, name, fields, *_ in found[:PAGE_CONTACTS]
        ],
        "wanted": wanted,
        "is_first": not after,
        "is_cut": is_cut,
        "most_found": MOST_FOUND,
        "older": f"?{urlencode(older)}" if len(found) > PAGE_CONTACTS and not is_cut else "",
    }
    if is_partial(request):
        return render(request, "web/contacts/_list.html", context)
    context["count"] = contact_count(group.contact_set)
    kinds = [kind for kind in ImportKind if kind not in OF_OPTOUTS]
    context["imports"] = latest_imports(request.client, kinds, group, SHOWN_IMPORTS)
    return render(request, "web/contacts/show.html", context)


def rename(request: PageRequest, group_id: str) -> HttpResponse:
    group = find(ContactGroup, request.client, group_id)
    form = GroupForm(request.POST or None, initial={"tag": group.tag})
    if request.method == "POST" and form.is_valid():
        groups.rename_group(request.client, group_id, **form.cleaned_data)
        record(request, "renamed a contact group", f"{group.tag} → {form.cleaned_data['tag']}")
        messages.success(request, "Saved.")
        return redirect("web:group", group_id=group_id)
    return render(request, "web/contacts/form.html", {"form": form, "group": group})


def delete(request: PageRequest, group_id: str) -> HttpResponse:
    group = find(ContactGroup, request.client, group_id)
    try:
        with transaction.atomic():
            ensure_unused(request.client, Part.CONTACT_GROUP, group_id)
            groups.delete_group(request.client, group_id)
            record(request, "deleted a contact group", group.tag)
    except Conflict as error:
        messages.error(request, f"{error} Wait until it is finished, or cancel it; then the group can be deleted.")
        return redirect("web:group", group_id=group_id)
    messages.success(request, f"“{group.tag}” is deleted.")
    return redirect("web:contacts")


def export(request: PageRequest, group_id: str) -> HttpResponseBase:
    """All contacts with all their columns."""
    group = find(ContactGroup, request.client, group_id)
    record(request, "exported a contact group", group.tag)
    return download(exported_contacts(group.contact_set_id), f"{group.tag[:80]}.csv")


def upload(request: PageRequest, group_id: str) -> HttpResponse:
    """A file of contacts, carried out as a job."""
    group = find(ContactGroup, request.client, group_id)
    form = FileForm()
    if request.method == "POST":
        form = FileForm(request.POST, request.FILES)
        job = uploads.start_job(request, form, group)
        if job is not None:
            return uploads.to_import(request, job)
        if is_partial(request):
            return render(request, "web/uploads/_errors.html", {"form": form})
    return render(request, "web/contacts/upload.html", {"form": form, "group": group})


def add_contact(request: PageRequest, group_id: str) -> HttpResponse:
    """A single contact."""
    group = find(ContactGroup, request.client, group_id)
    form = ContactForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            put_contact(group, **form.cleaned_data)
        except InvalidField as error:
            add_errors(form, error)
        else:
            record(request, "added a contact", f"{form.cleaned_data['email']} to {group.tag}")
            messages.success(request, f"{form.cleaned_data['email']} is in the group.")
            return redirect("web:group", group_id=group_id)
    return render(request, "web/contacts/contact_form.html", {"form": form, "group": group})


def drop(request: PageRequest, group_id: str) -> HttpResponse:
    """Take one address out of the group."""
    group = find(ContactGroup, request.client, group_id)
    email = request.POST.get("email", "")
    try:
        drop_contact(group, email=email)
    except InvalidField as error:
        messages.error(request, error.reason)
    else:
        record(request, "took a contact out of a group", f"{email} out of {group.tag}")
        messages.success(request, f"{email} is no longer in “{group.tag}”.")
    return redirect("web:group", group_id=group_id)
