"""How fast a campaign is sent, beside Postfix's own load generator, into the same smtp-sink in the same run.

    .venv/bin/python -m bench.send [--case CASE] [--recipients 100000] [--rounds 5]

Each round sends the same number of messages twice: with `smtp-source -d -s 20 -l 4000`, and with Sendmill, as a
personalised multipart HTML campaign of about 4 KB, from the campaign's start to every result recorded. Sendmill runs
as users run it: `sendmill run`, SQLite, default settings, a campaign over HTTP. Printed: the ratio of the two rates
(the median of the rounds is the figure to quote), CPU a message of Sendmill's processes, and their peak memory.

Cases:

- plain: placeholders alone.
- logic: loops and conditions in the body, decided by values that many recipients share.
- own-logic: the same, with each recipient's name inside, so that the template engine runs for every one.
- rsa, ed25519: plain, signed with DKIM; beside the signatures that `openssl speed` makes on as many cores.
- starttls: plain, over STARTTLS into bench.asyncio_sink, whose own CPU is on the same cores.
"""

import argparse
import io
import os
import statistics
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.openssl import openssl_signatures
from bench.running import RunningServer, asyncio_sink, free_port, make_certificate, smtp_sink

SUBJECT = "Grüße aus der Mühle, {{ name }}"
# With its headers, the two parts and the link to unsubscribe 4.1 KB, as what smtp-source sends with its headers.
BODY = """<html><body>
<h1>Grüße aus der Mühle</h1>
<p>Guten Tag {{ name }},</p>
<p>die Ernte ist eingebracht, und in {{ city }} gibt es wieder frisches Mehl: täglich gemahlen, kräftig im Geschmack und
ohne jeden Zusatz. Für Sie haben wir eine Überraschung: <b>{{ discount }} Nachlass</b> auf alles, was Sie bis Sonntag
bei uns bestellen. Wer mag, schaut dem Müller dabei über die Schulter.</p>
<h2>Neu im Laden</h2>
<ul>
<li>Dinkelmehl Type 630, fein gesiebt, für Kuchen und Gebäck: 2,40 €</li>
<li>Roggenschrot, grob, für kräftiges Brot mit langer Führung: 2,10 €</li>
<li>Buchweizen aus der Börde, ungeröstet, für Pfannkuchen: 3,80 €</li>
</ul>
<p>Führungen durch die Mühle sind jeden Samstag um zehn Uhr; eine Anmeldung ist nicht nötig. Kinder zahlen nichts, und
danach gibt es Kaffee und Waffeln im Hof. Bei Regen öffnen wir die alte Scheune.</p>
<p>Die Körnerkiste, in der wir Ihnen jeden Monat vier Sorten nach Hause schicken, gibt es jetzt auch in klein. Sie lässt
sich jederzeit anhalten, ändern und kündigen, ohne Frist und ohne Grund.</p>
<p>Auf bald in {{ city }}, {{ name }}!<br>Ihre Mühle am Wehr</p>
<p><a href="https://muehle.example/angebot">Zum Angebot</a> · <a href="https://muehle.example/anfahrt">Anfahrt</a></p>
</body></html>
"""


LOGIC = """{% if discount %}<p>Nur diese Woche: {{ discount }}!</p>{% else %}<p>Schauen Sie herein!</p>{% endif %}
<ul>{% for day in range(1, 4) %}<li>{{ day }}. Dezember{% if day == 2 and city == "Lyon" %}: {{ city }}{% endif %}</li>
{% endfor %}</ul>
</body></html>
"""
LOGICS = {"logic": LOGIC, "own-logic": LOGIC.replace("<p>Nur", "<p>{{ name }}, nur")}
CASES = ("plain", "logic", "own-logic", "rsa", "ed25519", "starttls")


def main() -> None:
    """Run the rounds and print what they gave."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=CASES, default="plain")
    parser.add_argument("--recipients", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    ratios, signature_ratios = [], []
    for number in range(1, options.rounds + 1):
        with smtp_sink() as port:
            yardstick = options.recipients / run_smtp_source(port, options.recipients)
        rate, cpu, peak = run_case(options.case, options.recipients)
        ratios.append(rate / yardstick)
        line = (
            f"round {number}: ratio {rate / yardstick:.2f}   Sendmill {rate:,.0f}/s, smtp-source {yardstick:,.0f}/s   "
            f"CPU a message {cpu_text(cpu, options.recipients)}   peak memory a process {peak / 1e6:.0f} MB"
        )
        if options.case in ("rsa", "ed25519"):
            signatures = openssl_signatures({"rsa": "rsa2048", "ed25519": "ed25519"}[options.case], os.cpu_count() or 1)
            signature_ratios.append(rate / signatures)
            line += f"   of openssl's {signatures:,.0f} signatures/s {rate / signatures:.2f}"
        print(line, flush=True)
    print(f"{options.case}: median ratio to smtp-source {statistics.median(ratios):.2f}")
    if signature_ratios:
        print(f"{options.case}: median ratio to openssl's signatures {statistics.median(signature_ratios):.2f}")


def run_case(case: str, recipients: int) -> tuple[float, dict[str, float], float]:
    """`run_sendmill` for a case, into a sink of its own."""
    if case == "starttls":
        with tempfile.TemporaryDirectory(prefix="sendmill-bench-") as folder:
            certificate, key = make_certificate(Path(folder))
            with asyncio_sink("--certificate", str(certificate), "--key", str(key)) as port:
                return run_sendmill(f"smtp://127.0.0.1:{port}?tls=starttls&verify=no", recipients, BODY, None)
    body = BODY.replace("</body></html>\n", LOGICS[case]) if case in LOGICS else BODY
    with smtp_sink() as port:
        algorithm = case if case in ("rsa", "ed25519") else None
        return run_sendmill(f"smtp://127.0.0.1:{port}?tls=none", recipients, body, algorithm)


def run_smtp_source(port: int, messages: int) -> float:
    """Seconds that smtp-source takes for so many messages of 4,000 bytes on 20 sessions."""
    arguments = ["smtp-source", "-d", "-s", "20", "-l", "4000", "-m", str(messages)]
    addresses = ["-f", "from@bench.example", "-t", "to@bench.example", f"127.0.0.1:{port}"]
    began = time.monotonic()
    subprocess.run([*arguments, *addresses], check=True)
    return time.monotonic() - began


def run_sendmill(smtp_url: str, recipients: int, body: str, dkim: str | None) -> tuple[float, dict[str, float], float]:
    """Messages a second, CPU seconds by role, and the largest peak memory of one, in bytes."""
    with (
        tempfile.TemporaryDirectory(prefix="sendmill-bench-") as folder,
        RunningServer(Path(folder), free_port(), smtp_url) as server,
    ):
        if dkim is not None:
            server.command("dkim", "add", "bench.example", "--algorithm", dkim)
        seconds, cpu = send_campaign(server, recipients, body)
        return recipients / seconds, cpu, server.peak_memory()


def send_campaign(server: RunningServer, recipients: int, body: str) -> tuple[float, dict[str, float]]:
    """Seconds from the campaign's start, its contacts being there, to every result recorded; CPU seconds by role."""
    api = server.client()
    sender = api.post_json("/email/senderid/", {"description": "Bench", "email": "from@bench.example"})
    attributes = {
        "message": {"source": "new", "description": SUBJECT, "email_message": body},
        "contact_group": {"type": "upload", "name_index": 1, "email_index": 0},
        "schedule": {
            "name": "Bench",
            "start_date": "2020-01-01 00:00",
            "timezone": "EST5EDT",
            "sender_id": sender["$_id"],
        },
    }
    campaign = api.post_campaign(attributes, contacts_csv(recipients))
    cpu_before, began = server.cpu_seconds(), time.time()
    identifier = campaign["$_id"]["$oid"]
    while (campaign := api.get_json(f"/email/campaign/?_id={identifier}"))["status"] != "completed":
        time.sleep(0.5)  # each question takes 8 ms of the same cores; when it ended the campaign says itself
    seconds = datetime.fromisoformat(campaign["modified_on"]).replace(tzinfo=UTC).timestamp() - began
    return seconds, {role: spent - cpu_before.get(role, 0.0) for role, spent in server.cpu_seconds().items()}


def cpu_text(cpu: dict[str, float], messages: int) -> str:
    """CPU a message, in all and by role, in µs."""
    each = {role: seconds * 1e6 / messages for role, seconds in cpu.items()}
    parts = ", ".join(f"{role} {spent:.0f}" for role, spent in each.items() if spent >= 1)
    return f"{sum(each.values()):.0f} µs ({parts})"


def contacts_csv(recipients: int) -> bytes:
    """A file of contacts with two extra columns, and names outside of ASCII."""
    text = io.StringIO()
    text.write("email,name,city,discount\n")
    names, cities = ("Jürgen Groß", "Zoë Ångström", "Anna Müller", "Иван Петров"), ("Köln", "Kraków", "Lyon")
    for number in range(recipients):
        text.write(f"person{number}@bench.example,{names[number % 4]} {number},{cities[number % 3]},{number % 50} %\n")
    return text.getvalue().encode()


if __name__ == "__main__":
    main()
