"""A campaign in each combination of message and group source, and in each schedule zone."""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.campaigns import (
    add_sender,
    attributes,
    identifier,
    people_csv,
    results,
    start_campaign,
    status,
    wait_until_completed,
)
from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import SmtpSink

HTML = b"<html><body><p>How is <b>{{ city }}</b>?</p></body></html>"


@pytest.mark.parametrize("group", ["upload", "reuse"])
@pytest.mark.parametrize("message", ["new", "reuse", "upload"])
def test_every_combination_of_message_and_group(server: Server, sink: SmtpSink, message: str, group: str) -> None:
    client = server.create_client("acme")
    parts = attributes(add_sender(client))
    files: dict[str, tuple[str, bytes]] = {}
    if message == "reuse":
        made = client.post(
            "/email/message/", {"description": "Hello {{ name }}", "email_message": "How is {{ city }}?"}
        )
        parts["message"] = {"source": "reuse", "_id": made.expect(201).json["$_id"]}
    elif message == "upload":
        parts["message"] = {"source": "upload", "description": "Hello {{ name }}"}
        files["message_file"] = ("message.html", HTML)
    if group == "reuse":
        made = client.post("/email/contact/", {"tag": "People"}).expect(201)
        fields = {"name_index": 0, "email_index": 1}
        path = "/email/contact/bulk/replace/"
        client.post_multipart(path, fields, {"csv_file": ("p.csv", people_csv(3))}, _id=identifier(made.json)).expect(
            200
        )
        parts["contact_group"] = {"type": "reuse", "_id": made.json["$_id"]}
    else:
        files["csv_file"] = ("people.csv", people_csv(3))
    response = client.post_multipart("/email/campaign/", {"attributes": json.dumps(parts)}, files).expect(201)
    campaign = response.json
    assert campaign["status"] == "active"
    wait_until_completed(client, identifier(campaign))

    [received] = sink.messages_to("person2@example.com")
    parsed = received.parse()
    assert parsed["Subject"] == "Hello Person 2"
    assert parsed.is_multipart() == (message == "upload")
    assert "City 2" in str(parsed.get_payload(0) if parsed.is_multipart() else parsed.get_payload())
    # What was new is left behind under the ids in the answer.
    stored = client.get("/email/message/", _id=campaign["message_id"]["$oid"]).expect(200).json
    assert stored["description"] == "Hello {{ name }}"
    kept = client.get("/email/contact/", _id=campaign["contact_group_id"]["$oid"]).expect(200).json
    assert kept["contacts"][2] == {"name": "Person 2", "email": "person2@example.com"}
    assert kept["tag"] == ("People" if group == "reuse" else "Spring")


ZONES = ["EST5EDT", "CST6CDT", "MST7MDT", "PST8PDT", "UTC", "Europe/Berlin", "Asia/Kathmandu"]


def scheduled(client: ApiClient, zone: str, start: datetime) -> str:
    wall_clock = start.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")
    campaign = start_campaign(client, people_csv(1), schedule={"start_date": wall_clock, "timezone": zone})
    shown = client.get("/email/campaign/", _id=campaign).expect(200).json
    assert (shown["start_date"], shown["timezone"]) == (wall_clock.replace(" ", "T") + ":00.000000", zone)
    return campaign


def test_each_zone_starts_at_its_own_wall_clock(server: Server) -> None:
    client = server.create_client("acme")
    now = datetime.now(UTC)
    due = [scheduled(client, zone, now) for zone in ZONES]
    later = [scheduled(client, zone, now + timedelta(minutes=30)) for zone in ZONES]
    for campaign in due:
        wait_until_completed(client, campaign)
    for campaign in later:
        assert status(client, campaign) == "active"
        assert results(client, campaign) == []


def test_nothing_leaves_before_the_start_and_then_it_does(server: Server, sink: SmtpSink) -> None:
    """The next full minute is the nearest start the API can name."""
    client = server.create_client("acme")
    start = (datetime.now(UTC) + timedelta(minutes=1)).replace(second=0, microsecond=0)
    campaign = scheduled(client, "America/New_York", start)
    sink.wait_for_messages(1, timeout=75)
    assert datetime.now(UTC) >= start
    [result] = results(client, campaign)
    assert datetime.fromisoformat(result["start_date"]).replace(tzinfo=UTC) >= start


def test_a_campaign_due_while_the_server_was_down_starts_when_it_is_back(server: Server, sink: SmtpSink) -> None:
    client = server.create_client("acme")
    campaign = start_campaign(client, people_csv(2), schedule={"start_date": "2099-01-01 00:00"})
    due = start_campaign(client, people_csv(3))
    server.kill_everything()
    server.start()
    wait_until_completed(client, due)
    assert status(client, campaign) == "active"
    assert set(sink.recipients) == {"person0@example.com", "person1@example.com", "person2@example.com"}
