"""The footer: every message has a way out, once, where readers see it."""

import re

import pytest

from sendmill.content.compile import Recipient, compile_message
from sendmill.content.footer import Footer, with_footer
from sendmill.content.variables import UNSUBSCRIBE_URL
from sendmill.languages import LANGUAGES
from tests.unit.content.test_compile import contents

FOOTER = Footer("Books & Co\n1 {{ name }} <Street>", "en")
BASE = "https://mail.example/u/"
LINK = f"{BASE}tok-en_1"


def delivered(body: str, footer: Footer = FOOTER) -> list[str]:
    """The parts of the message that a recipient gets."""
    message = compile_message("Hi", with_footer(body, footer), "news@example.org", {UNSUBSCRIBE_URL: BASE})
    recipient = Recipient("Bob", "bob@example.org", {"city": "Bern"})
    octets = message.render(recipient, "1@example.org", "Mon, 23 Nov 2026 12:00:00 +0000", tokens=TOKENS)
    return [text for _, text in contents(octets)]


TOKENS = {UNSUBSCRIBE_URL: b"tok-en_1"}


def test_a_text_gets_it_at_its_end() -> None:
    assert delivered("Hello\n\n\n") == [f"Hello\n\n--\nBooks & Co\n1 {{{{ name }}}} <Street>\nUnsubscribe: {LINK}\n"]


@pytest.mark.parametrize(
    "end", ["{{ name -}}", "{% if name %}Bob{% endif -%}\n", "Bob{# ! -#}", "Bob\n{% if x %}{% endif -%}"]
)
def test_a_text_whose_last_tag_drops_white_space_gets_it_on_lines_of_its_own(end: str) -> None:
    [text] = delivered(f"Hello {end}")
    assert text.startswith("Hello Bob\n\n--\nBooks & Co\n") or text.startswith("Hello Bob\n\n\n--\nBooks & Co\n")


@pytest.mark.parametrize("end", ["</body></html>", "</BODY >\n</html>\n", "", "<!-- </body> -->"])
def test_html_gets_it_at_the_end_of_what_is_shown_and_so_does_its_text_part(end: str) -> None:
    text, shown = delivered(f"<html><body><p>Hello</p>{end}")
    assert text.endswith(f"\n\nBooks & Co\n1 {{{{ name }}}} <Street>\nUnsubscribe ({LINK})\n") or text.endswith(
        f"\nBooks & Co\n1 {{{{ name }}}} <Street>\nUnsubscribe ({LINK})\n"
    )
    footer = re.search(r"<div style.*</div>", shown)
    assert footer and f'Books &amp; Co<br>1 {{{{ name }}}} &lt;Street&gt;<br><a href="{LINK}"' in footer[0]
    if end.lower().startswith("</body"):
        assert shown.index("Hello") < footer.start() < shown.lower().rindex("</body")
    else:
        assert footer.start() > shown.index(end) and shown.count(LINK) == 1


@pytest.mark.parametrize(
    "body",
    [
        "{% if city == 'Bern' %}<body>a</body>{% else %}<body>b</body>{% endif %}",
        "<p>b</p>{% for a in city|split('e') %}<b>{{ a }}</b></body>{% endfor %}",
        "<p>b</p>{% raw %}</body>{% endraw %}",
        "<p>b</p>{# </body> #}",
        "<p>b</p>{{ '</body>' }}",
        '<p>b</p>{{ "</body>" }}',
        '<p>b</p>{% if city == "</body>" %}a{% endif %}',
    ],
)
def test_everybody_gets_it_whatever_the_end_of_the_body_stands_in(body: str) -> None:
    text, shown = delivered(body)
    assert text.count(LINK) == shown.count(LINK) == 1


def test_no_postal_address_ends_a_comment_that_nobody_has_begun() -> None:
    text, shown = delivered("<style>a{#b{c:d}}</style><p>Hello</p></body>", Footer("1 {# Street #}", "en"))
    assert "1 {# Street #}" in text and "Hello" in text and "#b{c:d}" in shown


def test_a_message_with_a_link_of_its_own_stays_as_it_is() -> None:
    for body in (
        "Bye: {{ unsubscribe_url }}",
        "<p><a href='{{unsubscribe_url|e}}'>x</a></p>",
        "{% if unsubscribe_url %}",
    ):
        assert with_footer(body, FOOTER) == body
    assert with_footer("{% nonsense", FOOTER) == "{% nonsense", "what can't be read fails its recipients as before"
    assert delivered("unsubscribe_url")[0].count(LINK) == 1, "the words alone are no link"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_its_words(language: str) -> None:
    (text,) = delivered("Hello", Footer("", language))
    assert re.fullmatch(rf"Hello\n\n--\n\S[^:]+: {LINK}\n", text)
