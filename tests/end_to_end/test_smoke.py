"""The main job once: a server, a client, a campaign; the mail arrives and the results say so."""

import os
from email.header import decode_header, make_header

import psycopg
import pytest
import requests

from tests.end_to_end.campaigns import (
    SENDER,
    assert_each_once,
    dispositions,
    people,
    people_csv,
    results,
    start_campaign,
    wait_until_completed,
)
from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import SmtpSink
from tests.end_to_end.waiting import wait_for


def test_a_campaign_reaches_everyone_once(server: Server, sink: SmtpSink) -> None:
    client = server.create_client("acme")
    campaign = start_campaign(client, people_csv(250))
    wait_until_completed(client, campaign)

    assert_each_once(sink.recipients, people(250))
    (message,) = sink.messages_to("person7@example.com")
    assert message.envelope_sender == SENDER
    parsed = message.parse()
    assert str(make_header(decode_header(parsed["Subject"]))) == "Hello Person 7"
    assert "person7@example.com" in parsed["To"]
    link = parsed["List-Unsubscribe"].strip("<>")
    assert parsed.get_payload(decode=True).decode() == f"How is City 7?\r\n\r\n--\r\nUnsubscribe: {link}\r\n"

    assert dispositions(client, campaign) == {"delivered": 250}
    (result,) = [result for result in results(client, campaign) if result["email_to"] == "person7@example.com"]
    assert result["contact"] == {"name": "Person 7", "email": "person7@example.com", "city": "City 7"}
    assert (result["status"], result["complete"]) == ("completed", True)
    unsubscribe_as_mail_programs_do(link)
    following = start_campaign(client, people_csv(9))
    wait_until_completed(client, following)
    assert dispositions(client, following) == {"delivered": 8, "optout": 1}
    assert len(sink.messages_to("person7@example.com")) == 1


def unsubscribe_as_mail_programs_do(link: str) -> None:
    """RFC 8058 3.2: without a look at the page, without cookies; here in chunks too, of no told length."""
    assert requests.get(link, timeout=30).status_code == 200
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (iter([b"List-Unsubscribe=", b"One-Click"]), b"List-Unsubscribe=One-Click"):
        answer = requests.post(link, body, headers=form, timeout=30, allow_redirects=False)
        assert answer.status_code == 200 and not answer.cookies
    assert requests.post(f"{link}x", b"", timeout=30).status_code == 404


def test_it_stops_cleanly_and_keeps_everything(server: Server, sink: SmtpSink) -> None:
    client = server.create_client("acme")
    campaign = start_campaign(client, people_csv(5))
    wait_until_completed(client, campaign)
    server.restart()
    assert dispositions(client, campaign) == {"delivered": 5}
    assert len(sink.messages) == 5


def test_a_dead_worker_is_replaced(server: Server) -> None:
    assert len(server.workers()) == int(server.environment["SENDMILL_WORKERS"])
    killed = server.kill_one_worker()
    wait_for(lambda: len(server.workers()) == 2 and killed not in [worker.pid for worker in server.workers()])
    client = server.create_client("acme")
    wait_until_completed(client, start_campaign(client, people_csv(5)))


@pytest.mark.skipif("SENDMILL_DATABASE_URL" not in os.environ, reason="SQLite has no sessions to share or to lose")
def test_requests_share_sessions_and_outlive_their_loss(server: Server) -> None:
    client = server.create_client("acme")
    with psycopg.connect(server.environment["SENDMILL_DATABASE_URL"], autocommit=True) as database:
        of_web = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'sendmill web'"
        for _ in range(5):
            client.get("/email/message/").expect(200)
            assert database.execute(f"SELECT count(*) {of_web}").fetchone() == (1,)
        assert database.execute(f"SELECT count(pg_terminate_backend(pid)) {of_web}").fetchone() == (1,)
        client.get("/email/message/").expect(200)
