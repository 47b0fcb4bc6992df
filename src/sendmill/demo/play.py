"""The demo: the main job, played through the public HTTP API on a server of its own.

    server → client → sender → opt-out → campaign → delivery → results → mail

Every step checks what it got, so `sendmill demo --once` ends with 0 only when every recipient is where they should be.
"""

import json
import os
import signal
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings

from sendmill.demo import outbox
from sendmill.demo.failure import DemoFailed
from sendmill.demo.folder import take_folder
from sendmill.demo.http_client import FilePart, HttpClient
from sendmill.demo.people import (
    EMAIL_INDEX,
    INVALID,
    INVALID_LINE,
    NAME_INDEX,
    OPTED_OUT,
    PEOPLE,
    SHOWN,
    contacts_csv,
)
from sendmill.demo.server import DemoServer
from sendmill.demo.terminal import Terminal

EXPECTED = Counter(delivered=len(PEOPLE) - 1, optout=1)
"""How many recipients there must be by disposition."""

_MEANING = {
    "delivered": "the mail server has taken the message",
    "optout": "on the list of opt-outs, so not mailed",
}
_POLL_SECONDS = 0.05
_SECONDS_WITHOUT_PROGRESS = 60.0
_LINES_SHOWN = 12

_SENDER = "bookshop@example.com"
_CAMPAIGN = "New books"
_SUBJECT = "{{ name }}, the new books have come"
_MESSAGE = """\
<h1>Dear {{ name }},</h1>
<p>the new books have come, and we have put three aside for our readers in <b>{{ city }}</b>:</p>
<ul><li>The Mill on the Floss</li><li>Letters from My Windmill</li><li>Don Quixote</li></ul>
<p>We write to {{ email }} because you asked us to.</p>
<p>Your bookshop</p>
"""


def play_demo(once: bool) -> int:
    """`sendmill demo`: play the sample campaign; the exit code.

    Without `once` the server is left up until Ctrl-C. 0 when everything was as it should be, 1 when not: then one line
    says what, and the end of the server's log follows.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    terminal = Terminal()
    server: DemoServer | None = None
    try:
        folder = take_folder(settings.SENDMILL_DATA)
        server = DemoServer(folder.path, settings.SENDMILL_BIND)
        demo = Demo(server, terminal)
        demo.play()
        if not once:
            demo.leave_up()
    except DemoFailed as error:
        terminal.failed("The demo has failed.")
        print(f"sendmill demo: {error}", file=sys.stderr)
        if server and (tail := server.log_tail()):
            print(f"The end of {server.log_path}:\n{tail}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read the output has gone. What Python still flushes when it ends goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        if server:
            server.stop()
    return 0


class Demo:
    """The steps, in the order of `play`, and what one leaves for the next."""

    def __init__(self, server: DemoServer, terminal: Terminal) -> None:
        self._server = server
        self._terminal = terminal
        self._api = HttpClient(server.host, server.port)
        self._first_day = datetime.now(UTC).date()
        self._username = ""
        self._link = ""
        self._sender_id = ""
        self._campaign_id = ""
        self._import_id = ""

    def play(self) -> None:
        """All of it. Raises DemoFailed at the first thing that isn't as it should be."""
        self._terminal.heading("Sendmill demo: a sample campaign through the public API")
        self._start_server()
        self._make_client()
        self._register_sender()
        self._opt_out()
        self._create_campaign()
        self._follow_delivery()
        self._show_results()
        self._show_rejected_row()
        self._show_mail()

    def leave_up(self) -> None:
        """Say how to go on, and wait for Ctrl-C. Raises DemoFailed if the server ends before."""
        self._show_commands()
        try:
            self._server.wait()
        except KeyboardInterrupt:
            self._terminal.line("\n  Stopping the server.")

    # The steps -------------------------------------------------------------------------------------------------------

    def _start_server(self) -> None:
        self._terminal.begin("Server")
        self._server.start()
        self._terminal.done("Server", self._server.url, "sendmill run")
        ignored = [name for name in ("SENDMILL_DATABASE_URL", "SENDMILL_SMTP_URL") if os.environ.get(name)]
        if ignored:
            note = f"{' and '.join(ignored)} are not used: the demo has a database and an outbox of its own."
            self._terminal.paragraph(note)

    def _make_client(self) -> None:
        self._terminal.begin("Client")
        made = self._server.command("client", "add", "Bookshop", "--email", "reader@example.com", "--json")
        client = json.loads(made)
        self._username, self._link, self._api.token = client["username"], client["link"], client["token"]
        self._terminal.done("Client", f"Bookshop ({client['client_id']})", "sendmill client add")

    def _register_sender(self) -> None:
        self._terminal.begin("Sender")
        answer = self._api.post_json("/email/senderid/", {"description": "The bookshop", "email": _SENDER})
        self._sender_id = _id_of(answer.json)
        self._terminal.done("Sender", _SENDER, "POST /email/senderid/")

    def _opt_out(self) -> None:
        self._terminal.begin("Opt-out")
        self._api.post_json("/email/optout/", {"email": OPTED_OUT.email})
        self._terminal.done("Opt-out", OPTED_OUT.email, "POST /email/optout/")

    def _create_campaign(self) -> None:
        self._terminal.begin("Campaign")
        attributes = {
            "message": {"source": "new", "description": _SUBJECT, "email_message": _MESSAGE},
            "contact_group": {"type": "upload", "name_index": NAME_INDEX, "email_index": EMAIL_INDEX},
            "schedule": {
                "name": _CAMPAIGN,
                # This minute has begun already, so the campaign starts at once.
                "start_date": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
                "timezone": "UTC",
                "sender_id": {"$oid": self._sender_id},
            },
        }
        answer = self._api.post_form(
            "/email/campaign/",
            {
                "attributes": json.dumps(attributes),
                "csv_file": FilePart("readers.csv", "text/csv", contacts_csv()),
            },
        )
        self._campaign_id = _id_of(answer.json)
        self._import_id = answer.headers.get("sendmill-import", "")
        self._terminal.done("Campaign", f'"{_CAMPAIGN}" to {len(PEOPLE) + 1} rows of CSV', "POST /email/campaign/")

    def _follow_delivery(self) -> None:
        name, total = "Delivery", len(PEOPLE)
        best, last_progress = 0, time.monotonic()
        self._terminal.progress(name, 0, total)
        while True:
            self._server.check()
            complete = sum(result["complete"] for result in self._results())
            self._terminal.progress(name, complete, total)
            if complete >= total and self._campaign()["status"] == "completed":
                break
            if complete > best:
                best, last_progress = complete, time.monotonic()
            if time.monotonic() - last_progress > _SECONDS_WITHOUT_PROGRESS:
                raise DemoFailed(f"{complete} of {total} recipients are done, and no more for a minute")
            time.sleep(_POLL_SECONDS)
        self._terminal.done(name, "the campaign is completed", "GET /email/result/filter/")

    # What came of it -------------------------------------------------------------------------------------------------

    def _show_results(self) -> None:
        found = Counter(result["disposition"] for result in self._results())
        _expect("recipients by disposition", dict(found), dict(EXPECTED))
        self._terminal.heading("Results")
        rows = [(disposition, str(number), _MEANING[disposition]) for disposition, number in found.most_common()]
        self._terminal.table(("Disposition", "Recipients", ""), [*rows, ("all", str(found.total()), "")])

    def _show_rejected_row(self) -> None:
        report = self._api.get("/email/import/", _id=self._import_id).json
        _expect("rejected rows", report["rejected_rows"], 1)
        (row,) = report["rejected"]
        _expect("line of the rejected row", row["line"], INVALID_LINE)
        self._terminal.line()
        self._terminal.paragraph(f'Line {row["line"]} of the file was skipped: "{INVALID.email}". {row["reason"]}')

    def _show_mail(self) -> None:
        folder = self._server.folder / "outbox"
        mail = {outbox.address_of(message): (path, message) for path, message in outbox.messages(folder)}
        _expect("messages in the outbox", len(outbox.message_paths(folder)), EXPECTED["delivered"])
        _expect("people with a message", set(mail), {person.email for person in PEOPLE if person != OPTED_OUT})
        path, shown = mail[SHOWN.email]
        self._terminal.heading("Mail")
        self._terminal.paragraph(f"{len(mail)} messages are in the outbox, a Maildir. None has left this machine.")
        self._terminal.line(f"  {folder}")
        self._terminal.line(f"\n  One of them ({path.name}):\n")
        for name in outbox.SHOWN_HEADERS:
            self._terminal.quote(f"{name}: {outbox.decoded_header(shown, name)}", 1)
        self._terminal.quote("\n" + outbox.decoded_text(shown), _LINES_SHOWN)

    def _show_commands(self) -> None:
        url = self._server.url
        self._terminal.heading("The dashboard")
        self._terminal.line(f"  Choose a password for {self._username}; the link works once:\n  {self._link}")
        self._terminal.line(f"  Then sign in:\n  {url}/")
        authorization = '-H "Authorization: Token $TOKEN"'
        days = f"start_date={self._first_day}&end_date={self._last_day()}"
        self._terminal.heading("Try it: paste these lines into another terminal")
        self._terminal.line(f"  TOKEN={self._api.token}")
        for line in (
            f"curl {authorization} '{url}/email/campaign/'",
            f"curl {authorization} '{url}/email/result/filter/?{days}&campaign_id={self._campaign_id}&limit=3'",
            f"curl {authorization} '{url}/email/import/?_id={self._import_id}'",
            f"curl {authorization} -d email={SHOWN.email} '{url}/email/optout/'",
        ):
            self._terminal.line(f"  {line}; echo")
        self._terminal.line(f"\n  The API's reference: {url}/api/v1/docs/")
        self._terminal.line(f"  The server's log:    {self._server.log_path}")
        self._terminal.line("\n  The server stays up until you press Ctrl-C.")

    # Asking ----------------------------------------------------------------------------------------------------------

    def _results(self) -> list[dict[str, Any]]:
        days = {"start_date": str(self._first_day), "end_date": self._last_day()}
        results: list[dict[str, Any]] = self._api.get(
            "/email/result/filter/", **days, campaign_id=self._campaign_id
        ).json
        return results

    def _campaign(self) -> dict[str, Any]:
        campaign: dict[str, Any] = self._api.get("/email/campaign/", _id=self._campaign_id).json
        return campaign

    def _last_day(self) -> str:
        """Tomorrow, for a demo that is played at midnight."""
        return str(self._first_day + timedelta(days=1))


def _id_of(resource: dict[str, Any]) -> str:
    return str(resource["$_id"]["$oid"])


def _expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise DemoFailed(f"{what}: {found}, where there should be {expected}")
