"""A preview is what the sending path makes, and leads to nobody."""

import pytest

from sendmill.content.compile import Recipient
from sendmill.content.preview import preview_message, variables_in
from sendmill.content.template import TemplateError

ANN = Recipient("Änne <b>", "ann@example.com", {"city": "Köln"})
LINKS = {"unsubscribe_url": "https://mail.test/u/"}


def test_html_comes_with_its_text_part() -> None:
    body = "<p>Größe = {{ name }}</p>" + "<br>long " * 400 + '<a href="{{ unsubscribe_url }}">bye</a>'
    preview = preview_message("Grüße an {{ name }} aus {{ city }}, " + "lang " * 30 + "!", body, ANN, LINKS)
    assert preview.subject == "Grüße an Änne <b> aus Köln, " + "lang " * 30 + "!"
    assert preview.html is not None
    assert "<p>Größe = Änne &lt;b&gt;</p>" in preview.html
    assert 'href="https://mail.test/u/preview"' in preview.html
    assert "Größe = Änne <b>" in preview.text
    assert preview.html_octets == len(preview.html.encode()) > len(preview.html)


def test_text_has_no_html() -> None:
    preview = preview_message("x", "1 < 2, {{ city }}\n.\nFrom", ANN, {})
    assert (preview.html, preview.html_octets) == (None, 0)
    assert preview.text.rstrip() == "1 < 2, Köln\n.\nFrom"


def test_variables_are_those_that_a_contact_has_to_have() -> None:
    template = "{% set a = b %}{% for c in e %}{{ a }}{{ c }}{{ f.g|default(h) }}{% endfor %}{{ i }}"
    assert variables_in(template) == {"b", "e", "f", "h", "i"}
    with pytest.raises(TemplateError):
        variables_in("{{")
