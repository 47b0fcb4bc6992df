"""How pages call what campaigns and results are: in words and colours. Pure."""

from typing import NamedTuple

from django.db.models import Q

from sendmill.campaigns.models import Campaign, Phase, Status


class State(NamedTuple):
    """A state of a campaign as people know it. `tone` is one of Tabler's colours."""

    key: str
    label: str
    tone: str
    condition: Q


STATES = (
    State("scheduled", "Scheduled", "blue", Q(status=Status.ACTIVE, phase=Phase.WAITING)),
    State("sending", "Sending", "green", Q(status=Status.ACTIVE) & ~Q(phase=Phase.WAITING)),
    State("paused", "Paused", "yellow", Q(status=Status.PAUSED)),
    State("completed", "Completed", "secondary", Q(status=Status.COMPLETED)),
    State("cancelled", "Cancelled", "red", Q(status=Status.CANCELLED)),
)
_BY_KEY = {state.key: state for state in STATES}


def state_of(campaign: Campaign) -> State:
    """The campaign's state."""
    if campaign.status == Status.ACTIVE:
        return _BY_KEY["scheduled" if campaign.phase == Phase.WAITING else "sending"]
    return _BY_KEY[campaign.status]


class Disposition(NamedTuple):
    """What became of a recipient. `meaning` is a sentence for who doesn't know the word."""

    key: str
    label: str
    tone: str
    meaning: str


DISPOSITIONS = (
    Disposition("delivered", "Delivered", "green", "The mail server has taken the message."),
    Disposition("queued", "Queued", "blue", "The message has not left yet."),
    Disposition("deferred", "Deferred", "yellow", "The mail server said “later”; it is tried again by itself."),
    Disposition("failed", "Failed", "red", "The mail server refused the message for good."),
    Disposition("bounced", "Bounced", "red", "The message was taken and came back later."),
    Disposition("unconfirmed", "Unconfirmed", "orange", "The message left, and no answer came: nobody can know."),
    Disposition("optout", "Opted out", "secondary", "The address has opted out, so nothing was sent."),
    Disposition("invalid", "Invalid", "orange", "No mail can be sent to this address."),
    Disposition("cancelled", "Cancelled", "secondary", "The campaign was cancelled before the message left."),
)
DISPOSITION = {disposition.key: disposition for disposition in DISPOSITIONS}
