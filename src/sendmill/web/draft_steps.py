"""The steps of making a campaign: which there are, and how far a draft has come."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.urls import reverse

from sendmill.campaigns.checks import contact_set_of, message_of
from sendmill.campaigns.drafts import sections
from sendmill.campaigns.models import CampaignDraft
from sendmill.contacts.models import ImportState
from sendmill.senders.models import Sender

_STEPS = (
    ("message", "Message"),
    ("people", "People"),
    ("schedule", "Sender and time"),
    ("check", "Check and start"),
)


class Step(NamedTuple):
    """One step, as the list on top of each shows it."""

    key: str
    title: str
    url: str
    is_done: bool
    is_current: bool


def steps_of(draft: CampaignDraft, current: str = "") -> list[Step]:
    """All steps, in their order."""
    done = _done(draft)
    return [Step(key, title, reverse(f"web:draft-{key}"), key in done, key == current) for key, title in _STEPS]


def next_step(steps: Sequence[Step]) -> Step:
    """The first that isn't done; with all done the last."""
    return next((step for step in steps if not step.is_done), steps[-1])


def step_context(draft: CampaignDraft, current: str) -> dict[str, Any]:
    """What every step's page shows."""
    steps = steps_of(draft, current)
    return {"draft": draft, "steps": steps, "back": _back(steps, current)}


def _back(steps: Sequence[Step], current: str) -> str:
    before = ""
    for step in steps:
        if step.key == current:
            return before
        before = step.url
    return ""


def _done(draft: CampaignDraft) -> set[str]:
    found = sections(draft)
    done = set()
    if message_of(draft.client, found.get("message", {})) is not None:
        done.add("message")
    if contact_set_of(draft.client, found.get("contact_group", {}), draft.staged_import) is not None and (
        draft.staged_import is None or draft.staged_import.state == ImportState.STAGED
    ):
        done.add("people")
    sender_id = found.get("schedule", {}).get("sender_id", "")
    if Sender.objects.filter(client=draft.client_id, object_id=sender_id).exists():
        done.add("schedule")
    return done
