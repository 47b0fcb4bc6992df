"""The harness itself: a scenario is worth no more than the sink and the client it looks through."""

import json
import smtplib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.processes import kill_session, processes_of_session
from tests.end_to_end.smtp_sink import CUT, SmtpSink
from tests.end_to_end.waiting import wait_for

MESSAGE = "Subject: Hello\r\n\r\nDear Ann,\r\n..two dots\r\n"


def send(sink: SmtpSink, recipient: str, sender: str = "news@sender.test") -> None:
    with smtplib.SMTP("127.0.0.1", sink.port, timeout=10) as client:
        client.sendmail(sender, [recipient], MESSAGE)


def test_the_sink_keeps_what_was_sent(sink: SmtpSink) -> None:
    send(sink, "ann@example.com")
    (message,) = sink.messages
    assert (message.envelope_sender, message.recipient) == ("news@sender.test", "ann@example.com")
    assert message.content == MESSAGE.encode()
    assert message.parse()["Subject"] == "Hello"
    assert sink.messages_to("ann@example.com") == [message]


@pytest.mark.parametrize("stage", ["RCPT", "DATA"])
def test_replies_come_in_their_order_and_then_success(sink: SmtpSink, stage: str) -> None:
    sink.reply_to("ann@example.com", ["451 4.7.1 later", "250 ok", "550 5.1.1 unknown"], stage)
    codes = []
    for _ in range(4):
        try:
            send(sink, "ann@example.com")
            codes.append(250)
        except smtplib.SMTPRecipientsRefused as refused:
            codes.append(refused.recipients["ann@example.com"][0])
        except smtplib.SMTPDataError as refused:
            codes.append(refused.smtp_code)
    assert codes == [451, 250, 550, 250]
    assert [refusal.reply[:3] for refusal in sink.refusals] == ["451", "550"]
    assert sink.recipients == ["ann@example.com"] * 2


def test_a_421_closes_the_connection(sink: SmtpSink) -> None:
    sink.always_reply("421 4.3.2 going down")
    client = smtplib.SMTP("127.0.0.1", sink.port, timeout=10)
    client.ehlo()
    assert client.mail("news@sender.test")[0] == 421
    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.noop()
    sink.always_reply(None)
    send(sink, "ann@example.com")
    assert sink.recipients == ["ann@example.com"]


def test_a_cut_after_the_final_dot_leaves_the_message_delivered(sink: SmtpSink) -> None:
    sink.reply_to("ann@example.com", [CUT], "DATA")
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(sink, "ann@example.com")
    assert sink.recipients == ["ann@example.com"]


def test_held_messages_get_their_reply_on_release(sink: SmtpSink) -> None:
    sink.hold_after(1)
    send(sink, "ann@example.com")
    held = threading.Thread(target=send, args=(sink, "bob@example.com"))
    held.start()
    sink.wait_for_messages(2)
    held.join(0.2)
    assert held.is_alive()
    sink.release()
    held.join(5)
    assert not held.is_alive()


def test_a_stopped_sink_refuses_and_comes_back_on_its_port(sink: SmtpSink) -> None:
    send(sink, "ann@example.com")
    open_connection = smtplib.SMTP("127.0.0.1", sink.port, timeout=10)
    port = sink.port
    sink.stop()
    with pytest.raises(smtplib.SMTPServerDisconnected):
        open_connection.noop()
    with pytest.raises(ConnectionRefusedError):
        send(sink, "bob@example.com")
    sink.start()
    assert sink.port == port
    send(sink, "bob@example.com")
    assert sink.recipients == ["ann@example.com", "bob@example.com"]


def test_pipelined_commands_are_answered(sink: SmtpSink) -> None:
    transaction = b"MAIL FROM:<a@s.test>\r\nRCPT TO:<%s@example.com>\r\nDATA\r\n"
    with socket.create_connection(("127.0.0.1", sink.port), timeout=10) as connection:
        lines = connection.makefile("rb")
        lines.readline()
        connection.sendall(b"EHLO client.test\r\n")
        offered = []
        while not offered or offered[-1][3:4] == b"-":
            offered.append(lines.readline())
        assert b"250-PIPELINING\r\n" in offered
        connection.sendall(transaction % b"ann")
        assert [lines.readline()[:3] for _ in range(3)] == [b"250", b"250", b"354"]
        connection.sendall(MESSAGE.encode() + b".\r\n" + transaction % b"bob")
        assert [lines.readline()[:3] for _ in range(4)] == [b"250", b"250", b"250", b"354"]
        connection.sendall(b".\r\nQUIT\r\n")
        assert [lines.readline()[:3] for _ in range(2)] == [b"250", b"221"]
    assert sink.recipients == ["ann@example.com", "bob@example.com"]
    assert {message.connection for message in sink.messages} == {1}


def test_extensions_can_be_left_out() -> None:
    with SmtpSink(pipelining=False, smtputf8=False) as sink, smtplib.SMTP("127.0.0.1", sink.port) as client:
        client.ehlo()
        assert not client.has_extn("pipelining") and not client.has_extn("smtputf8")
    with SmtpSink() as sink, smtplib.SMTP("127.0.0.1", sink.port) as client:
        client.ehlo()
        assert client.has_extn("pipelining") and client.has_extn("smtputf8")


class _Echo(BaseHTTPRequestHandler):
    """Answers with the request as it came."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = {
            "method": self.command,
            "path": self.path,
            "authorization": self.headers.get("Authorization"),
            "type": self.headers.get("Content-Type"),
            "body": body.decode(),
        }
        self.send_response(302 if self.path.startswith("/elsewhere") else 200)
        self.send_header("Location", "/")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    do_GET = do_PUT = do_DELETE = do_POST

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def echo() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_client_sends_token_query_and_json(echo: str) -> None:
    client = ApiClient(echo, "f" * 40)
    got = client.put("/email/senderid/", {"email": "a@b.test"}, _id="0" * 24).expect(200).json
    assert got == {
        "method": "PUT",
        "path": f"/email/senderid/?_id={'0' * 24}",
        "authorization": "Token " + "f" * 40,
        "type": "application/json",
        "body": '{"email": "a@b.test"}',
    }
    assert ApiClient(echo, None).get("/email/senderid/").json["authorization"] is None
    assert client.get("/elsewhere").status == 302
    with pytest.raises(AssertionError, match="status 200, not 404"):
        client.delete("/email/senderid/").expect(404)


def test_the_client_sends_multipart(echo: str) -> None:
    got = ApiClient(echo, None).post_multipart(
        "/email/campaign/", {"attributes": {"a": 1}, "name_index": 0}, {"csv_file": ("people.csv", b"name,email\n")}
    )
    assert got.json["type"].startswith("multipart/form-data; boundary=")
    parts = [part.strip("\r\n") for part in got.json["body"].split("--" + got.json["type"].partition("=")[2])]
    assert parts[1:-1] == [
        'Content-Disposition: form-data; name="attributes"\r\n\r\n{"a": 1}',
        'Content-Disposition: form-data; name="name_index"\r\n\r\n0',
        'Content-Disposition: form-data; name="csv_file"; filename="people.csv"\r\n\r\nname,email',
    ]


def test_a_session_is_killed_with_its_grandchildren() -> None:
    script = (
        "import subprocess, sys; subprocess.Popen(['sleep', '60']); sys.stdout.write('x'); sys.stdout.close(); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None and process.stdout.read(1) == b"x"
        wait_for(lambda: any(found.command == "sleep 60" for found in processes_of_session(process.pid)))
        assert [found.parent for found in processes_of_session(process.pid)][1] == process.pid
        kill_session(process.pid)
        assert processes_of_session(process.pid) == []


def test_waiting_ends_with_the_state_it_waited_for() -> None:
    answers = iter([0, 0, 7])
    assert wait_for(lambda: next(answers)) == 7
    with pytest.raises(AssertionError, match="not within 0 s: a miracle"):
        wait_for(lambda: False, 0, "a miracle")
