"""Compiled messages: what was meant arrives, on both roads, whatever is in it."""

import email
import html
import pickle
import re
from email.header import decode_header
from email.message import Message
from email.policy import compat32
from email.utils import parseaddr

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sendmill.addresses import InvalidAddress
from sendmill.content.compile import CompiledMessage, Recipient, compile_message, is_html
from sendmill.content.template import RenderError, TemplateError
from tests.unit.content.texts import ANY_TEXT, NASTY, meant_in_body, meant_in_header, without_tags

SENDER = "news@example.org"
MESSAGE_ID = "5f.d0@example.org"
DATE = "Mon, 23 Nov 2026 12:00:00 +0000"
HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"]
BOB = Recipient("Bob", "bob@example.org", {"City": "Bern", "First Name": "Robert"})


def render(message: CompiledMessage, recipient: Recipient = BOB, headers: bytes = b"") -> bytes:
    octets = message.render(recipient, message_id=MESSAGE_ID, date=DATE, headers=headers)
    check_octets(octets)
    return octets


def check_octets(octets: bytes) -> None:
    """What SMTP asks of a message and more: RFC 5321 4.5.2 and 4.5.3.1.6, RFC 5322 2.1.1 and 2.3."""
    assert octets.endswith(b"\r\n")
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\x00", octets)
    for line in octets.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.startswith(b".")
        assert line.isascii()


def parse(octets: bytes) -> Message:
    return email.message_from_bytes(octets, policy=compat32)


def header(message: Message, name: str) -> str:
    return re.sub(r"\r\n(?=[ \t])", "", str(message[name]))


def decoded(value: str) -> str:
    parts = decode_header(value)
    return "".join([part if isinstance(part, str) else part.decode(charset or "ascii") for part, charset in parts])


def content(part: Message) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode().replace("\r\n", "\n")


def contents(octets: bytes) -> list[tuple[str, str]]:
    """Type and text of every part that holds text."""
    return [(part.get_content_type(), content(part)) for part in parse(octets).walk() if not part.is_multipart()]


def everything(octets: bytes) -> object:
    """All that a reader sees; of the boundary only that there is one, as it comes from the arguments."""
    message = parse(octets)
    headers = [(name, decoded(re.sub('".*"', "", header(message, name)))) for name in message]
    return headers, contents(octets)


def line_break_behind(static: str) -> str:
    """The line break that a body gets whose template ends in `static`."""
    return "" if meant_in_body(static).endswith("\n") else "\n"


def escaped(value: str) -> str:
    return html.escape(meant_in_body(value)).replace("/", "&#x2f;")


STATIC = ANY_TEXT.map(without_tags)
# Two of them, and a name, stay within what a header may have.
HALF_A_SUBJECT = STATIC.map(lambda text: text[:5000])
HALF_A_SUBJECT_AS_VALUE = ANY_TEXT.map(lambda text: text[:5000])
NAME = ANY_TEXT.map(lambda text: text[:10_000])


@given(HALF_A_SUBJECT, STATIC, NAME, HALF_A_SUBJECT_AS_VALUE)
@example("\r\nBcc: x@example.org", "\n.\r\n", "=?utf-8?q?=0D=0ABcc:_x@example.org?=", "\r\n\r\nX: y\r\n.\r\n")
def test_a_text_message_arrives_as_meant(subject: str, body: str, name: str, value: str) -> None:
    message = compile_message(subject + "{{ city }}", body + "{{ name }}|{{ city }}" + body, SENDER)
    parsed = parse(render(message, Recipient(name, "bob@example.org", {"city": value})))
    assert parsed.keys() == [*HEADERS, "Content-Transfer-Encoding"]
    assert decoded(header(parsed, "Subject")) == meant_in_header(meant_in_body(subject) + meant_in_body(value))
    shown_name, address = parseaddr(header(parsed, "To"))
    assert (decoded(shown_name), address) == (meant_in_header(name), "bob@example.org")
    static = meant_in_body(body)
    assert content(parsed) == f"{static}{meant_in_body(name)}|{meant_in_body(value)}{static}{line_break_behind(body)}"


@given(STATIC, NAME, ANY_TEXT)
@example("\n--=_\n", "--=_", "\r\n.\r\n")
def test_an_html_message_arrives_as_meant(static: str, name: str, value: str) -> None:
    source = f'{static}<p>{{{{ name }}}} <a href="{{{{ city }}}}">Link</a></p>{static}'
    octets = render(compile_message("Hi", source, SENDER), Recipient(name, "bob@example.org", {"city": value}))
    assert parse(octets).keys() == HEADERS
    (text_type, text), (html_type, shown) = contents(octets)
    assert (text_type, html_type) == ("text/plain", "text/html")
    start, end = meant_in_body(f"{static}<"), meant_in_body(f">{static}")
    meant = f'{start}p>{escaped(name)} <a href="{escaped(value)}">Link</a></p{end}{line_break_behind(static)}'
    assert shown == meant
    assert f"{meant_in_body(name)} Link ({meant_in_body(value)})" in text


@given(HALF_A_SUBJECT, STATIC, NAME, HALF_A_SUBJECT_AS_VALUE, st.booleans())
def test_both_roads_give_the_same_message(subject: str, static: str, name: str, value: str, is_html: bool) -> None:
    body = f"{static}{{{{ a }}}}{{{{ nope }}}}{static}{{{{ name }}}}" + "<br>{{ email }}" * is_html
    recipient = Recipient(name, "bob@example.org", {"a": value})
    fast = CompiledMessage(subject + "{{ a }}", body, SENDER)
    slow = CompiledMessage(subject + "{{ a }}", body, SENDER, always_engine=True)
    assert everything(render(fast, recipient)) == everything(render(slow, recipient))


LINK_BASES = {"unsubscribe_url": "https://mail.example.org:8080/a.b/u/", "view_in_browser_url": "https://m.example/v/"}
TOKEN = st.from_regex(r"[A-Za-z0-9_-]{1,160}", fullmatch=True)


@given(STATIC, TOKEN, TOKEN, st.booleans())
@example("", "-" * 75, "_" * 150, False)
@example("", "a" * 76, "b" * 151, True)
def test_links_are_the_recipients_own_on_every_road(static: str, first: str, second: str, is_html: bool) -> None:
    body = f"{static}{{{{ unsubscribe_url }}}}|{{% if City %}}{{{{ unsubscribe_url }}}}{{% endif %}}|{static}"
    body += "<br>{{ view_in_browser_url }}" * is_html
    subject = "{{ unsubscribe_url }}"
    tokens = {"unsubscribe_url": first.encode(), "view_in_browser_url": second.encode()}
    messages = [
        CompiledMessage(subject, body, SENDER, always_engine=always_engine, link_bases=LINK_BASES)
        for always_engine in (False, True)
    ]
    copied = pickle.loads(pickle.dumps(messages[0]))
    rendered = [message.render(BOB, MESSAGE_ID, DATE, tokens=tokens) for message in (*messages, copied)]
    for octets in rendered:
        check_octets(octets)
    assert everything(rendered[0]) == everything(rendered[1]) == everything(rendered[2])
    assert decoded(header(parse(rendered[0]), "Subject")) == LINK_BASES["unsubscribe_url"] + first
    for _, text in contents(rendered[0]):
        assert f"{LINK_BASES['unsubscribe_url']}{first}|{LINK_BASES['unsubscribe_url']}{first}|" in text
        assert (LINK_BASES["view_in_browser_url"] + second in text) == is_html
    assert messages[0].used_links == ({"unsubscribe_url", "view_in_browser_url"} if is_html else {"unsubscribe_url"})


@pytest.mark.parametrize("always_engine", [False, True], ids=["fast", "slow"])
@pytest.mark.parametrize("value", NASTY, ids=lambda value: ascii(value[:20]))
def test_each_nasty_value_arrives_everywhere(value: str, always_engine: bool) -> None:
    recipient = Recipient(value, "bob@example.org", {"City": value})
    source = "a{{ City }}\n{{ City }}|{{ name }}"
    text_message = render(CompiledMessage("{{ City }}", source, SENDER, always_engine), recipient)
    html_message = render(CompiledMessage("{{ City }}", f"<b>{source}</b>", SENDER, always_engine), recipient)
    meant, in_html = meant_in_body(value), escaped(value)
    assert decoded(header(parse(text_message), "Subject")) == meant_in_header(value)
    assert contents(text_message) == [("text/plain", f"a{meant}\n{meant}|{meant}\n")]
    assert contents(html_message) == [
        ("text/plain", f"a{meant} {meant}|{meant}\n"),
        ("text/html", f"<b>a{in_html}\n{in_html}|{in_html}</b>\n"),
    ]


def test_the_message_octet_by_octet() -> None:
    message = compile_message("Hi {{ name }}", "<p>.dot Grüße aus {{ City }}</p>\n.x {{ name }}", SENDER)
    octets = render(message, headers=b"List-Unsubscribe: <https://x.example.org/u>\r\n")
    boundary = re.findall(rb'boundary="(=_[0-9a-f]{32})"', octets)[0]
    assert octets.replace(boundary, b"BOUNDARY").decode().split("\r\n") == [
        "From: news@example.org",
        "To: Bob <bob@example.org>",
        "Subject: Hi Bob",
        "Date: Mon, 23 Nov 2026 12:00:00 +0000",
        "Message-ID: <5f.d0@example.org>",
        "List-Unsubscribe: <https://x.example.org/u>",
        "MIME-Version: 1.0",
        "Content-Type: multipart/alternative;",
        ' boundary="BOUNDARY"',
        "",
        "--BOUNDARY",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        "=2Edot Gr=C3=BC=C3=9Fe aus =",
        "Bern=",
        "",
        "",
        "=2Ex =",
        "Bob=",
        "",
        "",
        "--BOUNDARY",
        "Content-Type: text/html; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        "<p>.dot Gr=C3=BC=C3=9Fe aus =",
        "Bern=",
        "</p>",
        "=2Ex =",
        "Bob=",
        "",
        "",
        "--BOUNDARY--",
        "",
    ]


def test_a_column_is_reached_under_its_variable_name_and_an_unknown_one_is_empty() -> None:
    message = compile_message("{{ City }}", "{{ first_name }}|{{ city }}|{{ nope.x }}|{{ email }}", SENDER)
    parsed = parse(render(message))
    assert header(parsed, "Subject") == "Bern"
    assert content(parsed) == "Robert|Bern||bob@example.org\n"


def test_a_value_is_no_template() -> None:
    value = "{{ name }}{% if %}{#"
    message = compile_message("{{ City }}", "{{ City }}{% if City %}|{{ City }}{% endif %}", SENDER)
    parsed = parse(render(message, Recipient("Bob", "bob@example.org", {"City": value})))
    assert header(parsed, "Subject") == value
    assert content(parsed) == f"{value}|{value}\n"


def test_conditions_and_loops_hold_in_both_parts() -> None:
    source = (
        "<table>{% for tag in tags|split(',') %}<tr><td>{{ tag }}</td>"
        "<td>{% if loop.first %}first<br>line{% endif %}</td></tr>{% endfor %}</table>"
    )
    octets = render(compile_message("{{ name|upper }}", source, SENDER), Recipient("Bob", "b@c.de", {"tags": "<a>,b"}))
    assert header(parse(octets), "Subject") == "BOB"
    assert contents(octets) == [
        ("text/plain", "<a>  first\nline\nb  \n\n"),
        (
            "text/html",
            "<table><tr><td>&lt;a&gt;</td><td>first<br>line</td></tr><tr><td>b</td><td></td></tr></table>\n",
        ),
    ]


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<a {% if City %} href='https://b' {% else %} href='https://c' {% endif %}>Go</a>", "Go (https://b)\n"),
        ("<a {% if x %} href='https://b' {% else %} href='https://c' {% endif %}>Go</a>", "Go (https://c)\n"),
        ("<p>Hi</p><p {% if not City %} style='display:none' {% endif %}>Code 1</p>", "Hi\n\nCode 1\n"),
        ("<p>Hi</p><p {% if not x %} style='display:none' {% endif %}>Code 1</p>", "Hi\n"),
        ("{% if x %}<i hidden>{% endif %}Hi{% if x %}</i>{% endif %}", "Hi\n"),
        ("<i hidden>{% set whom = x|default('friend') %}</i><p>Dear {{ whom }}</p>", "Dear friend\n"),
    ],
)
def test_the_text_part_shows_what_the_html_shows_to_this_recipient(html: str, text: str) -> None:
    assert contents(render(compile_message("s", html, SENDER)))[0] == ("text/plain", text)


def test_html_in_a_value_becomes_text_in_the_text_part() -> None:
    message = compile_message("Hi", "<p>{{ City|safe }}</p>", SENDER)
    octets = render(message, Recipient("Bob", "bob@example.org", {"City": "<b>Bern</b> &amp; more"}))
    assert contents(octets) == [
        ("text/plain", "Bern & more\n"),
        ("text/html", "<p><b>Bern</b> &amp; more</p>\n"),
    ]


def test_a_condition_that_text_cannot_follow_is_followed_in_the_finished_html() -> None:
    message = compile_message("Hi", '<p {% if name == "Bob" %}>for Bob{% endif %}>all</p>', SENDER)
    assert contents(render(message))[0] == ("text/plain", "for Bob>all\n")
    assert contents(render(message, Recipient("Eve", "e@example.org", {})))[0] == ("text/plain", "all\n")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("bob@bücher.example", "bob@xn--bcher-kva.example"),
        ("Bob.O'Neil+x@Example.ORG", "Bob.O'Neil+x@Example.ORG"),
        (" bob@example.org ", "bob@example.org"),
    ],
)
def test_an_international_domain_is_written_in_a_labels(address: str, shown: str) -> None:
    octets = render(compile_message("Hi", "x", address), Recipient("", address, {}))
    assert (parse(octets)["From"], parse(octets)["To"]) == (shown, shown)


def test_only_an_international_local_part_is_written_in_utf8() -> None:
    message = compile_message("Grüße", "Grüße {{ name }}", SENDER)
    octets = message.render(Recipient("Jürg", "jürg@bücher.example", {}), message_id=MESSAGE_ID, date=DATE)
    lines = [line for line in octets.split(b"\r\n") if not line.isascii()]
    assert lines == ["To: =?utf-8?b?SsO8cmc=?= <jürg@xn--bcher-kva.example>".encode()]


def test_a_long_subject_and_name_are_refused_with_a_reason() -> None:
    message = compile_message("{{ City }}", "x", SENDER)
    with pytest.raises(RenderError, match="The subject has 10001 characters"):
        render(message, Recipient("Bob", "bob@example.org", {"City": "x" * 10_001}))
    with pytest.raises(RenderError, match="The name has 10001 characters"):
        render(message, Recipient("x" * 10_001, "bob@example.org", {}))


def test_a_message_that_values_make_huge_is_refused() -> None:
    message = compile_message("Hi", "{{ City }}" * 11, SENDER)
    with pytest.raises(RenderError, match="1000000 characters"):
        render(message, Recipient("Bob", "bob@example.org", {"City": "ü" * 100_000}))


@pytest.mark.parametrize("address", ["", "bob", "bob@example.org\r\nBcc: x@example.org", "a@b.de>, <c@d.de"])
def test_a_bad_address_reaches_no_header(address: str) -> None:
    with pytest.raises(RenderError):
        render(compile_message("Hi", "x", SENDER), Recipient("Bob", address, {}))
    with pytest.raises(InvalidAddress):
        compile_message("Hi", "x", address)


@pytest.mark.parametrize(("message_id", "date"), [("a@b\r\nBcc: x", DATE), ("a@b", f"{DATE}\n")])
def test_a_message_id_or_date_with_a_line_break_is_an_error_of_the_caller(message_id: str, date: str) -> None:
    with pytest.raises(ValueError, match="control characters"):
        compile_message("Hi", "x", SENDER).render(BOB, message_id=message_id, date=date)


@pytest.mark.parametrize(("subject", "body"), [("{{ name", "x"), ("x", "{{ name"), ("x", "<b>{% if %}</b>")])
def test_a_template_that_cannot_be_read_is_refused(subject: str, body: str) -> None:
    with pytest.raises(TemplateError):
        compile_message(subject, body, SENDER)


def test_a_compiled_message_survives_pickling() -> None:
    message = compile_message("Hi {{ name }}", "<p>{% if City %}{{ City }}{% endif %}</p>", SENDER)
    assert render(pickle.loads(pickle.dumps(message))) == render(message)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<p>x</p>", True),
        ("<!DOCTYPE HTML>\nx", True),
        ("x<br/>y", True),
        ('x <a href="{{ url }}">y</a>', True),
        ("<H1 class='a'>", True),
        ("</table>", True),
        ("plain", False),
        ("", False),
        ("write to <john@example.com> or <a@b.de>", False),
        ("see <https://example.org/a>", False),
        ("1 < 2 and b > a, <3, a <b c", False),
        ("<name>, &nbsp;", False),
        ("{% if a < b %}{% endif %}", False),
    ],
)
def test_what_counts_as_html(body: str, expected: bool) -> None:
    assert is_html(body) is expected
