"""The oracle of every fault: who should get the mail, what the mail servers took, and what the results say.

All three are joined by recipient and by Message-ID, whose first part is a result's `queue_id`.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.campaigns import results
from tests.end_to_end.smtp_sink import ReceivedMessage, SmtpSink

_MESSAGE_ID = re.compile(rb"^Message-ID: <([^@>]+)@[^>]+>\r$", re.MULTILINE | re.IGNORECASE)

#: What a result may say of a recipient who has got a message, and of one who has not.
_MAY_HAVE_GOT_IT = {"delivered", "unconfirmed"}
_NEVER_GOT_IT = {"unconfirmed", "failed", "invalid", "optout", "cancelled"}


@dataclass(frozen=True)
class Account:
    """The numbers of a campaign. `repeated` is recipient → how many messages too many."""

    recipients: int
    #: Got no message, and has no result that is final and says so.
    lost: set[str]
    #: Got a message, or has a result, and is not on the list.
    strangers: set[str]
    repeated: dict[str, int]
    #: Messages whose Message-ID is not that of the recipient's result.
    other_message_id: set[str]
    #: Recipient → its disposition, where that is not what the mail servers saw.
    disagreeing: dict[str, str]
    unconfirmed: set[str]
    dispositions: dict[str, int]

    @property
    def repeats(self) -> int:
        return sum(self.repeated.values())

    def assert_exact(self, most_repeats: int = 0) -> None:
        """Nobody lost, no more repeats than there were transactions open, and every word of the results is true."""
        assert not self.lost, f"{len(self.lost)} lost: {_some(self.lost)}"
        assert not self.strangers, f"not on the list: {_some(self.strangers)}"
        assert not self.other_message_id, f"another Message-ID: {_some(self.other_message_id)}"
        assert not self.disagreeing, f"the results say {_some(self.disagreeing.items())}"
        assert self.repeats <= most_repeats, f"{self.repeats} repeated, at most {most_repeats}: {_some(self.repeated)}"


@dataclass(frozen=True)
class Taken:
    """What a sink has taken for one domain."""

    messages: list[ReceivedMessage]

    @property
    def recipients(self) -> list[str]:
        return [message.recipient for message in self.messages]


def taken_for(sink: SmtpSink, domain: str) -> Taken:
    return Taken([message for message in sink.messages if message.recipient.endswith(f"@{domain}")])


def account(client: ApiClient, campaign_id: str, expected: Collection[str], *sinks: SmtpSink | Taken) -> Account:
    """Joins the list of recipients, what the sinks took and what the results of a completed campaign say."""
    taken: dict[str, list[ReceivedMessage]] = defaultdict(list)
    for sink in sinks:
        for message in sink.messages:
            taken[message.recipient].append(message)
    found = results(client, campaign_id)
    by_recipient = {str(result["email_to"]): result for result in found}
    assert len(by_recipient) == len(found), "a recipient with two results"
    words = {recipient: str(result["disposition"]) for recipient, result in by_recipient.items()}
    listed = set(expected)
    named = {recipient for recipient, word in words.items() if word in _NEVER_GOT_IT}
    disagreeing = {
        recipient: word
        for recipient, word in words.items()
        if word not in (_MAY_HAVE_GOT_IT if recipient in taken else _NEVER_GOT_IT)
    }
    other_message_id = {
        recipient
        for recipient, messages in taken.items()
        if recipient in by_recipient
        and {message_id(message) for message in messages} != {by_recipient[recipient]["queue_id"]["$oid"]}
    }
    return Account(
        recipients=len(listed),
        lost=listed - taken.keys() - named,
        strangers=(taken.keys() | by_recipient.keys()) - listed,
        repeated={recipient: len(messages) - 1 for recipient, messages in taken.items() if len(messages) > 1},
        other_message_id=other_message_id,
        disagreeing=disagreeing,
        unconfirmed={recipient for recipient, word in words.items() if word == "unconfirmed"},
        dispositions=dict(Counter(words.values())),
    )


def message_id(message: ReceivedMessage) -> str:
    """What stands before the @ in its Message-ID, of which there must be one."""
    (found,) = _MESSAGE_ID.findall(message.content.partition(b"\r\n\r\n")[0] + b"\r\n")
    return str(found.decode())


def repeated(sink: SmtpSink) -> dict[str, int]:
    """Who got more than one message, and how many more."""
    return {recipient: count - 1 for recipient, count in Counter(sink.recipients).items() if count > 1}


def assert_nobody_lost(sink: SmtpSink, expected: list[str]) -> None:
    """Everyone got at least one message, nobody else any, and all messages to one recipient are one and the same."""
    assert set(sink.recipients) == set(expected)
    message_ids = defaultdict(set)
    for message in sink.messages:
        message_ids[message.recipient].add(message_id(message))
    different = {recipient: ids for recipient, ids in message_ids.items() if len(ids) > 1}
    assert not different, f"repeats with another Message-ID: {different}"
    assert len({next(iter(ids)) for ids in message_ids.values()}) == len(expected)


def result_of(client: ApiClient, campaign_id: str) -> dict[str, str]:
    """Each recipient's disposition; one result each."""
    found = results(client, campaign_id)
    assert len({result["email_to"] for result in found}) == len(found)
    return {result["email_to"]: result["disposition"] for result in found}


def _some(things: Iterable[object]) -> str:
    listed = [str(thing) for thing in things]
    return ", ".join(listed[:10]) + (f" and {len(listed) - 10} more" if len(listed) > 10 else "")
