"""The text part that is made from HTML."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendmill.content.template import Template, TemplateError
from sendmill.content.template_reader import read_template
from sendmill.content.template_tag import Tag
from sendmill.content.text_part import text_of_html
from tests.unit.content.texts import meant_in_body, without_tags


def text_template(html: str) -> str:
    """The text template, its tags written as they would be in a source."""
    return "".join(
        [
            piece
            if isinstance(piece, str)
            else f"{{%{' '.join([piece.keyword, *[token.text for token in piece.tokens]])}%}}"
            if piece.keyword
            else f"{{{{{' '.join([token.text for token in piece.tokens])}}}}}"
            for piece in text_of_html(read_template(html))
        ]
    )


SHOWN = [
    ("", ""),
    (" \n ", ""),
    ("<p></p>", ""),
    ("<p>Hello  <b>you</b>,\n how are <i>you</i>?</p>", "Hello you, how are you?"),
    ("<h1>Head</h1><p>One</p><p>Two</p>three", "Head\n\nOne\n\nTwo\n\nthree"),
    ("<div><div>a</div></div><div>b</div>", "a\nb"),
    ("a<br>b<br/><br><br>c<br>", "a\nb\n\nc"),
    ("a &lt;b&gt; &amp; &eacute;&nbsp;&euro;&#x1F600;", "a <b> & é €😀"),
    ("1 < 2 & 3 > 2", "1 < 2 & 3 > 2"),
    ("<ul><li>a</li><li>b<ul><li>c</li></ul></li><li></li></ul>d", "* a\n* b\n  * c\n\nd"),
    ("<ol><li>a</li><li>b</li></ol>", "1. a\n2. b"),
    ("<ol>{% for x in y %}<li>{{ x }}</li>{% endfor %}</ol>", "{%for x in y%}* {{x}}\n{%endfor%}"),
    ("<table><tr><th>Item</th><th>Qty</th></tr>\n<tr><td>Nut</td><td>3</td></tr></table>", "Item  Qty\nNut  3"),
    ("<p>x</p><hr><pre>\n a\n   b</pre>y", "x\n\n------------------------------\n\n\n a\n   b\n\ny"),
    ('<a href="https://x.org/a">the <b>link</b></a>.', "the link (https://x.org/a)."),
    ('<a href="https://x.org/">x.org</a> <a href="mailto:a@b.c">a@b.c</a>', "x.org a@b.c"),
    ('<a href="mailto:a@b.c">us</a> <a href="tel:1">call</a>', "us (a@b.c) call (1)"),
    ('<a href="#top">top</a> <a>none</a> <a href="">empty</a> <a href="javascript:x()">js</a>', "top none empty js"),
    ('<a href="u"><img alt="Logo" src="x"></a> <a href="v"><img src="y"></a>', "Logo (u) v"),
    ('<a href="u"><div>Button</div></a><p>x</p>', "Button (u)\n\nx"),
    ('<a href="?a=1&amp;b=2">x</a>', "x (?a=1&b=2)"),
    ('<a href="{{ url }}">{{ url }}</a> <a href="https://x/{{ id }}">x</a>', "{{url}} x (https://x/{{id}})"),
    ("<head><title>T</title><style>p{% if a %}{}{% endif %}</style></head><script>{{ a }}</script>b", "b"),
    ('<div style="color:red; DISPLAY : none;">a{{ b }}<p>c</p></div><i hidden>d</i>e', "e"),
    ("a<!-- {{ b }} --><!--[if mso]>c<![endif]--><![if !mso]>d<![endif]>", "ad"),
    ("Hi {% if a %}dear {% endif %}{{ b }}, yes", "Hi {%if a%}dear {%endif%}{{b}}, yes"),
    ("<p>A</p>{% if a %}<p>B</p>{% endif %}<p>C</p>", "A\n\n{%if a%}B\n\n{%endif%}C"),
    (
        "<table><tr><td>A{% if a %}<br>B{% endif %}</td><td>C<br>D</td></tr></table>",
        "A{%if a%}\nB{%endif%}  C\nD",
    ),
    ('<a href="{% if a %}x{% else %}y{% endif %}">t</a>', "t ({%if a%}x{%else%}y{%endif%})"),
    ("{{ a }}&#123;{ b }}&#1;0&#2;", "{{a}}{{ b }}0"),
    ('<img alt="&#1;9&#2;x">', "x"),
    ("<div>" * 5000 + "deep" + "</div>" * 5000, "deep"),
]  # fmt: skip


@pytest.mark.parametrize(("html", "text"), SHOWN, ids=[html[:40] for html, _ in SHOWN])
def test_what_is_shown(html: str, text: str) -> None:
    assert text_template(html) == text


def test_text_that_looks_like_a_tag_is_none() -> None:
    pieces = text_of_html(read_template("<p>&#123;{ name }} {{ name }}</p>{% if name %}<p>&lt;b&gt;</p>{% endif %}"))
    assert Template(pieces, escapes_html=False).render({"name": "Bob"}) == "{{ name }} Bob\n\n<b>\n\n"


@pytest.mark.parametrize("html", ['<p {% if x %}class="a">A{% endif %}</p>', "x<!-- {% if x %} -->y{% endif %}"])
def test_a_condition_cut_in_two_is_no_template(html: str) -> None:
    with pytest.raises(TemplateError):
        Template(text_of_html(read_template(html)), escapes_html=False)


@pytest.mark.parametrize(
    "html",
    [
        "<p {% if x %}style='display:none'{% endif %}>a</p>",
        "<p {% if x %} style='display:none' {% endif %}>a</p>",
        "<p {% if x %}hidden{% endif %}>a</p>",
        "<p{% if x %} hidden{% endif %}>a</p>",
        "<p style='{% if x %}display:none{% endif %}'>a</p>",
        "<p style='DISPLAY: {{ x }}'>a</p>",
        "<a {% if x %} href='b' {% else %} href='c' {% endif %}>a</a>",
        "<!-- {% set x = 'a' %} --><p>{{ x }}</p>",
        "{% if x %}<i hidden>{% endif %}a{% if x %}</i>{% endif %}",
        "{% if x %}<!--{% endif %}a{% if x %}-->{% endif %}",
        "<i hidden>{% if x %}</i>a{% else %}</i>b{% endif %}",
        "<i hidden>{% set x = 'a' %}{{ x }}</i><p>{{ x }}</p>{% set x = 'b' %}",
    ],
)
def test_what_is_shown_is_not_told_before_the_tags_have_decided_it(html: str) -> None:
    with pytest.raises(TemplateError):
        text_of_html(read_template(html))


@pytest.mark.parametrize(
    "html",
    [
        "<p style='color:{{ x }}' class='{{ y }}'>a</p>",
        "<i hidden><b {{ x }}>b</b></i>a",
        "<!--{% if x %}b{% endif %}-->a",
    ],
)
def test_tags_that_decide_nothing_of_what_is_shown(html: str) -> None:
    assert text_of_html(read_template(html)) == ("a",)


FRAGMENTS = [
    "<p>",
    "</p>",
    "<ul>",
    "<ol>",
    "<li>",
    "</ul>",
    "<a href='{{ u }}'>",
    "</a>",
    "<table>",
    "<td>",
    "</table>",
]
FRAGMENTS += [
    "<pre>",
    "</pre>",
    "<br>",
    "<hr>",
    "<img alt='{{ u }}'>",
    "<i hidden>",
    "</i>",
    "<style>",
    "</style>",
    "<!--",
]
FRAGMENTS += [
    "-->",
    "</html>",
    "<![if a]>",
    "<?xml x?>",
    "&amp;",
    "&#0;",
    "&#1;",
    "<",
    ">",
    '"',
    "'",
    " ",
    "\n",
    "text",
]
FRAGMENTS += ["{{ a }}", "{% if b %}", "{% endif %}", "<body>", "</body>", "<head>", "<title>", "<svg>", "<select>"]


@given(st.lists(st.sampled_from(FRAGMENTS) | st.text(st.characters(), max_size=5), max_size=25))
def test_any_html_becomes_text_with_the_tags_in_their_order(fragments: list[str]) -> None:
    pieces = read_template(
        "".join(fragment if fragment in FRAGMENTS else without_tags(fragment) for fragment in fragments)
    )
    try:
        written = text_of_html(pieces)
    except TemplateError:  # a tag inside of an element's own tag
        return
    text = "".join([piece for piece in written if isinstance(piece, str)])
    assert text == meant_in_body(text)
    statements = iter([piece.keyword for piece in pieces if isinstance(piece, Tag) and piece.keyword])
    for piece in written:
        if isinstance(piece, Tag) and piece.keyword:
            assert piece.keyword in statements  # consumes what it passes: the order is kept, and none comes twice


@pytest.mark.parametrize("part", ["<a ", "<!--", "</", "<a x='y", "<", "&", "<b><i></b>", "<table><tr><td>", "<![if "])
def test_broken_html_takes_no_longer_than_its_length(part: str) -> None:
    start = time.process_time()
    text_of_html((part * (200_000 // len(part)),))
    assert time.process_time() - start < 3  # under 0.3 s as measured; a quadratic parser takes minutes
