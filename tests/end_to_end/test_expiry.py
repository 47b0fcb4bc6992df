"""A campaign with a short expiry of its own: what the mail server puts off to the end is failed."""

from tests.end_to_end.campaigns import (
    dispositions,
    identifier,
    people_csv,
    results,
    start_campaign,
    wait_until_completed,
)
from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import SmtpSink

LATER = "person1@example.com"


def test_what_is_put_off_until_expiry_is_failed(server: Server, sink: SmtpSink) -> None:
    sink.always_reply("451 4.7.1 later", LATER, "RCPT")
    client = server.create_client("acme")

    campaign = start_campaign(client, people_csv(3), schedule={"expiry_hours": 3 / 3600})
    wait_until_completed(client, campaign)

    assert dispositions(client, campaign) == {"delivered": 2, "failed": 1}
    tried = [refusal.at for refusal in sink.refusals if refusal.recipient == LATER]
    assert len(tried) >= 3
    assert 2 < tried[-1] - tried[0] < 30
    [failed] = [result for result in results(client, campaign) if result["email_to"] == LATER]
    told = client.get("/email/result/history/", _id=identifier(failed)).expect(200).json["history"]
    assert [word["disposition"] for word in told] == ["deferred"] * min(len(tried) - 1, 20) + ["failed"]
    assert {(word["reply_code"], word["reply"]) for word in told} == {(451, "4.7.1 later")}
