"""The form of a message, and what stands beside its editor."""

from typing import Any

from django import forms

from sendmill.accounts.models import Client
from sendmill.campaigns.checks import offered_variables
from sendmill.contacts.models import ContactGroup

MOST_GROUPS = 200


class MessageForm(forms.Form):
    """Subject and source. The names of the fields are the API's."""

    description = forms.CharField(label="Subject", widget=forms.TextInput(attrs={"autocomplete": "off"}))
    email_message = forms.CharField(
        label="Source",
        strip=False,
        help_text="HTML, or plain text. Tab indents; press Escape first to leave the field with it.",
        widget=forms.Textarea(attrs={"rows": 24, "spellcheck": "false", "wrap": "off"}),
    )


def editor_context(client: Client, form: forms.Form, columns: list[str] | None = None) -> dict[str, Any]:
    """What the editor's template needs: the form, groups to preview it for, variables to put into it."""
    groups = ContactGroup.objects.filter(client=client).order_by("-pk")[:MOST_GROUPS]
    return {"form": form, "groups": groups, "variables": offered_variables(columns or [])}
