"""DKIM as an operator sets it up: a key by the command line, and signed mail at the server."""

import json

import dkim
import pytest

from tests.end_to_end.campaigns import SENDER, people_csv, start_campaign, wait_until_completed
from tests.end_to_end.databases import same_to_either_database
from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import SmtpSink


@same_to_either_database
@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
def test_every_message_of_a_campaign_is_signed(server: Server, sink: SmtpSink, algorithm: str) -> None:
    domain = SENDER.rpartition("@")[2]
    added = json.loads(server.command("dkim", "add", domain, "--algorithm", algorithm, "--json"))
    whose, printed = server.command("dkim", "list").splitlines()
    assert whose == "; signs the mail of everybody"
    assert printed.startswith(f"{added['name']}. IN TXT (")
    assert "".join(printed.partition("( ")[2].rstrip(" )\n").replace('" "', "").strip('"')) == added["value"]
    client = server.create_client("acme")
    wait_until_completed(client, start_campaign(client, people_csv(40)))
    assert len(sink.messages) == 40
    for message in sink.messages:
        assert dkim.verify(message.content, dnsfunc=lambda name, timeout=5: added["value"].encode())
    assert server.command("dkim", "remove", domain, added["selector"]).startswith("The key")
    assert json.loads(server.command("dkim", "list", "--json")) == []
