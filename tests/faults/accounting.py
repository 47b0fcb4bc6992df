"""The oracle of every fault: who should get the mail, what the mail server took, and what the results say."""

from collections import Counter, defaultdict

from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.campaigns import results
from tests.end_to_end.smtp_sink import SmtpSink


def repeated(sink: SmtpSink) -> dict[str, int]:
    """Who got more than one message, and how many more."""
    return {recipient: count - 1 for recipient, count in Counter(sink.recipients).items() if count > 1}


def assert_nobody_lost(sink: SmtpSink, expected: list[str]) -> None:
    """Everyone got at least one message, nobody else any, and all messages to one recipient are one and the same."""
    assert set(sink.recipients) == set(expected)
    message_ids = defaultdict(set)
    for message in sink.messages:
        message_ids[message.recipient].add(message.parse()["Message-ID"])
    different = {recipient: ids for recipient, ids in message_ids.items() if len(ids) > 1}
    assert not different, f"repeats with another Message-ID: {different}"
    assert len({next(iter(ids)) for ids in message_ids.values()}) == len(expected)


def result_of(client: ApiClient, campaign_id: str) -> dict[str, str]:
    """Each recipient's disposition; one result each."""
    found = results(client, campaign_id)
    assert len({result["email_to"] for result in found}) == len(found)
    return {result["email_to"]: result["disposition"] for result in found}
