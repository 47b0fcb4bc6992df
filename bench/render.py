"""CPU to render one personalised message, beside the standard library's EmailMessage making the same in the same run.

    .venv/bin/python bench/render.py

4 KB of HTML with three placeholders, and a text part. CPU microseconds a message, the best of five, so that other work
on the machine matters little. "Links" is what the recipient's own link costs beside the fast road: its token, the two
List- headers and the footer. Before anything is timed, both are parsed, and have to say the same. Peak memory is what
the process has grown by while it renders, by resident size.
"""

import email
import resource
import time
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP, compat32

from django.conf import settings

from sendmill.content.characters import escape_html
from sendmill.content.compile import CompiledMessage, Recipient, compile_message
from sendmill.content.footer import Footer, with_footer
from sendmill.content.variables import UNSUBSCRIBE_URL
from sendmill.links import UNSUBSCRIBE, list_headers, make_token

SUBJECT = "News for {{ name }}"
BODY = (
    "<html><body>"
    + "".join([f"<p>Paragraph {i} says something <b>useful</b>, and a little more than that.</p>\n" for i in range(48)])
    + "<p>Hello {{ name }} in {{ city }}, you are {{ email }}.</p></body></html>\n"
)
MESSAGE_ID, DATE = "5f1d0@example.org", "Mon, 23 Nov 2026 12:00:00 +0000"
RECIPIENTS = {
    "ASCII": Recipient("Bob Smith", "bob.smith@example.org", {"city": "Bern"}),
    "Latin": Recipient("Jürg Müller", "juerg@example.org", {"city": "Zürich"}),
    "Chinese": Recipient("王小明", "ming@example.org", {"city": "北京"}),
}
REPEATS = 5


def text_of(octets: bytes) -> list[str]:
    parts = email.message_from_bytes(octets, policy=compat32).walk()
    payloads = [part.get_payload(decode=True) for part in parts if not part.is_multipart()]
    return [payload.decode().replace("\r\n", "\n") for payload in payloads if isinstance(payload, bytes)]


def standard_library(recipient: Recipient, text: str) -> bytes:
    """What a program does that has a text template, an HTML template and EmailMessage."""

    def filled(template: str, name: str, city: str, address: str) -> str:
        template = template.replace("{{ name }}", name).replace("{{ city }}", city)
        return template.replace("{{ email }}", address)

    name, city = recipient.name, recipient.fields["city"]
    message = EmailMessage(policy=SMTP)
    message["From"] = "news@example.org"
    message["To"] = f"{name} <{recipient.email}>"
    message["Subject"] = filled(SUBJECT, name, city, recipient.email)
    message["Date"] = DATE
    message["Message-ID"] = f"<{MESSAGE_ID}>"
    message.set_content(filled(text, name, city, recipient.email))
    escaped = [escape_html(value) for value in (name, city, recipient.email)]
    message.add_alternative(filled(BODY, *escaped), subtype="html")
    return message.as_bytes()


def with_links() -> Callable[[Recipient], bytes]:
    """Renders as `delivery.render` does it."""
    body = with_footer(BODY, Footer("Books\n1 Main St", "en"))
    base = f"https://mail.example.org/{UNSUBSCRIBE.path}/"
    encoded_base = base.encode()
    message = compile_message(SUBJECT, body, "news@example.org", {UNSUBSCRIBE_URL: base})

    def render(recipient: Recipient) -> bytes:
        tokens = {UNSUBSCRIBE_URL: make_token(UNSUBSCRIBE, 7, 1_234_567, recipient.email)}
        headers = list_headers(encoded_base, tokens[UNSUBSCRIBE_URL])
        return message.render(recipient, MESSAGE_ID, DATE, headers=headers, tokens=tokens)

    return render


def microseconds(function: Callable[[], object], count: int) -> float:
    """CPU microseconds of one call."""
    best = float("inf")
    for _ in range(REPEATS):
        start = time.process_time()
        for _ in range(count):
            function()
        best = min(best, time.process_time() - start)
    return best / count * 1e6


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    settings.configure(SECRET_KEY="bench", SECRET_KEY_FALLBACKS=[])
    linked = with_links()
    fast = compile_message(SUBJECT, BODY, "news@example.org")
    slow = CompiledMessage(SUBJECT, BODY, "news@example.org", always_engine=True)
    placeholders = Recipient("{{ name }}", "email@example.org", {"city": "{{ city }}"})
    text = text_of(fast.render(placeholders, MESSAGE_ID, DATE))[0].replace("email@example.org", "{{ email }}")
    size = len(fast.render(RECIPIENTS["ASCII"], MESSAGE_ID, DATE))
    print(f"A message of {size} octets in two parts, CPU µs each:")
    print(f"{'recipient':10} {'fast road':>10} {'links':>10} {'with logic':>10} {'EmailMessage':>13} {'ratio':>7}")
    before = peak_megabytes()
    rows = {}
    for label, recipient in RECIPIENTS.items():
        assert text_of(fast.render(recipient, MESSAGE_ID, DATE)) == text_of(slow.render(recipient, MESSAGE_ID, DATE))
        rows[label] = (
            microseconds(lambda recipient=recipient: fast.render(recipient, MESSAGE_ID, DATE), 20_000),  # type: ignore[misc]
            microseconds(lambda recipient=recipient: linked(recipient), 20_000),  # type: ignore[misc]
            microseconds(lambda recipient=recipient: slow.render(recipient, MESSAGE_ID, DATE), 1_000),  # type: ignore[misc]
        )
    grown = peak_megabytes() - before
    for label, recipient in RECIPIENTS.items():
        assert text_of(fast.render(recipient, MESSAGE_ID, DATE)) == text_of(standard_library(recipient, text))
        library = microseconds(lambda recipient=recipient: standard_library(recipient, text), 100)  # type: ignore[misc]
        fast_time, linked_time, slow_time = rows[label]
        times = f"{fast_time:10.1f} {linked_time - fast_time:+10.1f} {slow_time:10.1f} {library:13.1f}"
        print(f"{label:10} {times} {library / fast_time:6.0f}x")
    print(f"Compiling: {microseconds(lambda: compile_message(SUBJECT, BODY, 'news@example.org'), 100):.0f} µs")
    print(f"Peak memory grew by {grown:.1f} MB over {20_000 * REPEATS * len(RECIPIENTS)} messages")


if __name__ == "__main__":
    main()
