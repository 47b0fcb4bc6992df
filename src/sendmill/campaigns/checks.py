"""What should be looked at before a campaign starts. It reads, and decides nothing: who sends may go on regardless."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from sendmill.accounts.models import Client
from sendmill.contacts.counting import Counted
from sendmill.contacts.models import ContactGroup, ContactSet, Import
from sendmill.content.compile import Recipient
from sendmill.content.footer import Footer, with_footer
from sendmill.content.models import Message
from sendmill.content.preview import preview_message, variables_in
from sendmill.content.template import RenderError, TemplateError
from sendmill.content.variables import UNSUBSCRIBE_URL, VIEW_IN_BROWSER_URL, fields_as_variables
from sendmill.ids import parse_object_id

CLIPPED_OCTETS = 102 * 1024
"""Gmail cuts the HTML of a message off here, and with it the link to unsubscribe."""

_LINKS = frozenset({UNSUBSCRIBE_URL, VIEW_IN_BROWSER_URL})


class Level(StrEnum):
    """`problem`: mail would go wrong."""

    GOOD = "good"
    ADVICE = "advice"
    PROBLEM = "problem"


class Finding(NamedTuple):
    """One thing that was looked at, and what to do about it."""

    level: Level
    title: str
    text: str


def contact_set_of(client: Client, section: dict[str, object], staged: Import | None) -> ContactSet | None:
    """The set of contacts that a draft's `contact_group` means; None when there is none (yet)."""
    if section.get("type") == "upload":
        return None if staged is None else staged.staging_set
    groups = ContactGroup.objects.filter(client=client, object_id=parse_object_id(str(section.get("_id", ""))))
    group = groups.select_related("contact_set").first()
    return None if group is None else group.contact_set


def audience_finding(counted: Counted) -> Finding:
    """How many get it, when all are counted. Pure."""
    contacts, barred = counted.looked_through, counted.barred
    if contacts == 0:
        return Finding(Level.PROBLEM, "Nobody would get it", "The list has no contacts.")
    if contacts == barred:
        return Finding(Level.PROBLEM, "Nobody would get it", "Everybody in the list has opted out.")
    people = "1 person gets it" if contacts - barred == 1 else f"{contacts - barred:,} people get it"
    if not barred:
        return Finding(Level.GOOD, people, "Nobody in the list has opted out.")
    have = "has opted out and gets" if barred == 1 else "have opted out and get"
    return Finding(Level.GOOD, people, f"{barred:,} of the {contacts:,} in the list {have} nothing.")


def rejected_findings(staged: Import | None) -> list[Finding]:
    """What of an uploaded list is not in it, if anything. Pure."""
    rows = 0 if staged is None else staged.rejected_rows
    if not rows:
        return []
    title = "1 row is left out" if rows == 1 else f"{rows:,} rows are left out"
    return [Finding(Level.ADVICE, title, "Rows without a valid address can't be mailed. Step 2 has them to download.")]


def offered_variables(columns: Iterable[str]) -> list[str]:
    """What a template can name for contacts with these columns: each once, as it is best written."""
    known = fields_as_variables("", "", dict.fromkeys(columns, ""))
    small = {name for name in known if name.lower() == name or name.lower() not in known}
    return ["name", "email", *sorted(small - {"name", "email"}), UNSUBSCRIBE_URL, VIEW_IN_BROWSER_URL]


def content_findings(client: Client, subject: str, body: str, columns: Iterable[str]) -> list[Finding]:
    """What is to be said of a message to contacts with these columns. Pure but for what it is given."""
    known = {*fields_as_variables("", "", dict.fromkeys(columns, "")), *_LINKS}
    try:
        named = variables_in(subject) | variables_in(body)
        has_link = UNSUBSCRIBE_URL in variables_in(body)
        sent = with_footer(body, Footer(client.postal_address, client.language)) if client.adds_footer else body
        preview = preview_message(subject, sent, Recipient("", "somebody@example.com", {}), {})
    except (TemplateError, RenderError) as error:
        return [Finding(Level.PROBLEM, "The message can't be filled in", str(error))]
    return [_variables(sorted(named - known)), _unsubscribe(has_link, client), _size(preview.html_octets)]


def _variables(missing: list[str]) -> Finding:
    if not missing:
        return Finding(
            Level.GOOD, "Every variable has its column", "Nothing in the message stays empty for want of one."
        )
    names = ", ".join(f"{{{{ {name} }}}}" for name in missing[:10])
    return Finding(Level.ADVICE, "Some variables stay empty", f"The list has no column for {names}.")


def _unsubscribe(has_link: bool, client: Client) -> Finding:
    if has_link:
        return Finding(Level.GOOD, "The message has a link to unsubscribe", "It is where you put it.")
    if not client.adds_footer:
        text = "Put {{ unsubscribe_url }} into the message, or have the footer added in Settings. The law asks for it."
        return Finding(Level.PROBLEM, "There is no link to unsubscribe", text)
    if not client.postal_address.strip():
        text = "A footer with the link is added. It has no postal address, which many countries ask for: see Settings."
        return Finding(Level.ADVICE, "The footer has no postal address", text)
    return Finding(Level.GOOD, "A footer is added", "It has the link to unsubscribe and your postal address.")


def _size(octets: int) -> Finding:
    size = f"{octets / 1024:,.0f} KB"
    if octets > CLIPPED_OCTETS:
        text = f"It has {size} of HTML, and Gmail cuts messages off at 102 KB, with the link to unsubscribe."
        return Finding(Level.ADVICE, "The message is too large for Gmail", text)
    return Finding(
        Level.GOOD, "The size is fine", f"{size} of HTML; Gmail cuts off at 102 KB." if octets else "Text alone."
    )


def message_of(client: Client, section: dict[str, object]) -> tuple[str, str] | None:
    """Subject and body that a draft's `message` means; None when there is none, or it has been deleted."""
    if section.get("source") == "new":
        return str(section["description"]), str(section["email_message"])
    messages = Message.objects.filter(client=client, object_id=parse_object_id(str(section.get("_id", ""))))
    return messages.values_list("description", "email_message").first()
