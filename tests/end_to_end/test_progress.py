"""Progress, status and retry, on a real server with a real mail server."""

import json
from typing import Any

from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.campaigns import dispositions, people, people_csv, start_campaign, wait_until_completed
from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import SmtpSink
from tests.end_to_end.waiting import wait_for


def progress(client: ApiClient, campaign_id: str) -> dict[str, Any]:
    return dict(client.get("/email/campaign/progress/", _id=campaign_id).expect(200).json)


def test_retry_sends_again_to_those_that_failed_and_only_to_those(server: Server, sink: SmtpSink) -> None:
    client = server.create_client("acme")
    for number in (3, 5):
        sink.reply_to(f"person{number}@example.com", ["550 5.1.1 unknown"], "RCPT")
    campaign = start_campaign(client, people_csv(10))
    wait_until_completed(client, campaign)
    assert dispositions(client, campaign) == {"delivered": 8, "failed": 2}
    retried = client.post("/email/campaign/retry/", None, _id=campaign).expect(202).json
    assert retried["recipients"] == 2
    wait_until_completed(client, campaign)
    assert dispositions(client, campaign) == {"delivered": 10}
    assert sorted(sink.recipients) == sorted(people(10))
    found = progress(client, campaign)
    assert (found["recipients"], found["complete"], found["status"]) == (10, 10, "completed")


def test_status_and_progress_tell_how_it_goes(server: Server, sink: SmtpSink) -> None:
    client = server.create_client("acme")
    sink.jitter_seconds = 1.0  # however slow the machine is, it still sends when the relay goes down
    campaign = start_campaign(client, people_csv(3_000))
    wait_for(lambda: progress(client, campaign)["rate"], what=lambda: progress(client, campaign))
    [seen] = json.loads(server.command("status", "--json", "--client", client.client_id))["campaigns"]
    assert seen["campaign_id"] == campaign and seen["recipients"] == 3_000
    assert sum(seen["dispositions"].values()) == 3_000
    text = server.command("status")
    assert "2 worker processes" in text and f"relay 127.0.0.1:{sink.port}  up" in text
    assert campaign in text and "messages/s" in text

    sink.stop()
    wait_for(lambda: [relay["state"] for relay in progress(client, campaign)["relays"]] == ["down"])
    [relay] = json.loads(server.command("status", "--json"))["relays"]
    assert relay["state"] in ("down", "impaired") and relay["last_error"]  # one may be trying just now
    sink.jitter_seconds = 0.0
    sink.start()
    wait_until_completed(client, campaign)
    assert dispositions(client, campaign)["delivered"] == 3_000
    assert "No campaign is waiting or being sent." in server.command("status")
