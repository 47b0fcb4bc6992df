"""Templates: what can be read, what is filled in, and what is stopped."""

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendmill.content.characters import clean_text
from sendmill.content.template import RenderError, Template, TemplateError, check_template
from sendmill.content.template_engine import MAX_VALUES
from sendmill.content.template_filters import FILTERS
from sendmill.content.template_reader import MAX_DEPTH, MAX_TAGS, MAX_TOKENS, read_template
from tests.unit.content.texts import ANY_TEXT

VALUES = {
    "name": "Bob",
    "email": "bob@example.org",
    "city": "Bern",
    "tags": "red, blue,green",
    "amount": "12.345",
    "empty": "",
    "evil": "{{ name }}{% if %}{#",
    "markup": "<b>\"Q\" & 'A'/</b>",
    "Größe": "XL",
}


def render(source: str, *, escapes_html: bool = False, values: dict[str, str] | None = None) -> str:
    return Template(read_template(source), escapes_html=escapes_html).render(VALUES if values is None else values)


UNREADABLE = [
    ("{{ name", "not closed with `}}`"),
    ("{{ name }", "not closed with `}}`"),
    ("Hello {{ name, how are you?", "not closed with `}}`"),
    ("{{ name %}", "closed with `%}`"),
    ("{{ first name }}", "`first_name`"),
    ("{{ first-name }}", "`a_b`"),
    ("{{ }}", "missing in `{{ }}`"),
    ("{%%}", "missing in `{% %}`"),
    ("{% if %}x{% endif %}", "missing in `{% if %}`"),
    ("{% if name %}", "not closed with `{% endif %}`"),
    ("{% endif %}", "belongs to no"),
    ("{% else %}", "belongs to no"),
    ("{% if name %}{% endfor %}", "`if` of line 3 is open"),
    ("{% if a %}{% else %}{% elif b %}{% endif %}", "`{% elif %}` can't stand here"),
    ("{% for x in a %}{% elif b %}{% endfor %}", "`{% elif %}` can't stand here"),
    ("{% if a %}{% else b %}{% endif %}", "Nothing can follow"),
    ("{% for x %}{% endfor %}", "A loop is written"),
    ("{% set x %}y{% endset %}", "{% set word = value %}"),
    ("{% raw %}x", "not closed with `{% endraw %}`"),
    ("{{ name|shout }}", "no filter `shout`"),
    ("{{ name is loud }}", "no test `loud`"),
    ("{{ name|replace('a') }}", "doesn't take 1 arguments"),
    ("{{ name|upper(1) }}", "doesn't take 1 arguments"),
    ("{% if name is eq %}a{% endif %}", "The test `eq` doesn't take 0 arguments"),
    ("{{ name is in and city }}", "The test `in` doesn't take 0 arguments"),
    ("{{ name is even(1) }}", "The test `even` doesn't take 1 arguments"),
    ("{{ name|int is divisibleby(0) }}", "Nothing is divisible by 0"),
    ("{{ name|default(“x”) }}", "Quotation marks must be straight"),
    ("{% if name = 'x' %}{% endif %}", "what compares is `==`"),
    ("{{ name and }}", "can't be understood"),
    ("{{ 'a' 'b' }}", "nothing between"),
    ("{{ (name }}", "bracket is not closed"),
    ("{{ name) }}", "closes no bracket"),
    ("{{ (name] }}", "closes no bracket"),
    ("{{{ name }}}", "`{` can't stand in a tag"),
    # What could grow, load or reach out.
    ("{{ name ~ name }}", "`~` can't stand in a tag"),
    ("{{ name + name }}", "`+` can't stand in a tag"),
    ("{{ 'x' * 1000000000 }}", "`*` can't stand in a tag"),
    ("{{ 2 ** 9999 }}", "`*` can't stand in a tag"),
    ("{{ name[:] }}", "`:` can't stand in a tag"),
    ("{{ {} }}", "`{` can't stand in a tag"),
    ("{{ [name] }}", "A list can hold only"),
    ("{{ [[1]] }}", "A list can hold only"),
    ("{{ [1|upper] }}", "A list can hold only"),
    ("{{ (name, name) }}", "A comma can't stand here"),
    ("{{ name.upper() }}", "only `range` and filters can be called"),
    ("{{ namespace() }}", "only `range` and filters can be called"),
    ("{{ '%9999999999s'|format(1) }}", "no filter `format`"),
    ("{% for x in name %}{{ loop(name) }}{% endfor %}", "only `range` and filters can be called"),
    ("{% for x in name recursive %}{% endfor %}", "nothing between"),
    ('{% include "x" %}', "no statement `include`"),
    ('{% import "x" as y %}', "no statement `import`"),
    ('{% from "x" import y %}', "no statement `from`"),
    ('{% extends "x" %}', "no statement `extends`"),
    ("{% macro a() %}{% endmacro %}", "no statement `macro`"),
    ("{% call a() %}{% endcall %}", "no statement `call`"),
    ("{% filter upper %}{% endfilter %}", "no statement `filter`"),
    ("{% autoescape false %}{% endautoescape %}", "no statement `autoescape`"),
    ("{% for a in b %}" * 4 + "{% endfor %}" * 4, "nested more than 3 deep"),
    ("{% if a %}" * (MAX_DEPTH + 1) + "{% endif %}" * (MAX_DEPTH + 1), "nested more than 100 deep"),
    ("{% if a %}" + "{% elif a %}" * MAX_DEPTH + "{% endif %}", "nested more than 100 deep"),
    ("{{ " + "not " * MAX_TOKENS + "a }}", "more than 200 words"),
    ("{{ a }}" * (MAX_TAGS + 1), "more than 10000 tags"),
]


@pytest.mark.parametrize(("source", "reason"), UNREADABLE, ids=[source[:40] for source, _ in UNREADABLE])
def test_what_cannot_be_read_is_refused_with_its_line(source: str, reason: str) -> None:
    with pytest.raises(TemplateError) as caught:
        check_template(f"Hello {{{{ name }}}},\r\n\r\n{source}")
    assert caught.value.line == 3
    assert reason in caught.value.reason
    assert str(caught.value) == f"Line 3: {caught.value.reason}"
    assert not any(control in caught.value.reason for control in "\x00\n")


def test_the_line_is_the_authors_also_behind_lines_that_tags_take_away() -> None:
    source = "{# one\ntwo #}\n{% if name %}\nx\n{% endif %}\n\n{%- if city\n %}{% endif %}{{ name and }}"
    with pytest.raises(TemplateError) as caught:
        check_template(source)
    assert caught.value.line == 8


RENDERED = [
    ("", ""),
    ("Hi {{ name }}, {{email}}!", "Hi Bob, bob@example.org!"),
    ("{{ nope }}{{ nope.a.b }}{{ nope[0] }}{{ nope|upper }}{{ nope|first }}{{ nope|length }}", "0"),
    ("{% for x in nope %}a{% else %}b{% endfor %}{% if nope %}c{% endif %}", "b"),
    ("{{ evil }}", VALUES["evil"]),
    ("{{ evil|upper }}", VALUES["evil"].upper()),
    ("{{ Größe }}{{ Gro\u0308ße }}", "XLXL"),
    ("{% if city == 'Basel' %}a{% elif city %}b{% else %}c{% endif %}", "b"),
    ("{% if city != 'Bern' or not name %}a{% elif amount|int >= 12 and 1 < 2 %}b{% endif %}", "b"),
    ("{{ 'x' if empty else 'y' }}{{ 'z' if empty }}", "y"),
    ("{{ name is defined }}{{ nope is defined }}{{ nope is not defined }}", "TrueFalseTrue"),
    ("{{ city is in ['Bern', 'Basel'] }}{{ 'o' in name }}{{ 4 is divisibleby 2 }}", "TrueTrueTrue"),
    ("{% for t in tags|split(',') %}{{ loop.index }}{{ t|trim }}{{ '' if loop.last }}{% endfor %}", "1red2blue3green"),
    ("{% for i in range(3) if i is odd %}{{ i }}{% endfor %}{% for i in ['a', -1] %}{{ i }}{% endfor %}", "1a-1"),
    ("{% set greeting = name|lower|default('you') %}{{ greeting }}", "bob"),
    ("{{ empty|default('you') }}{{ nope|d('me') }}{{ name|default('x') }}", "youmeBob"),
    ("{{ amount|int }} {{ amount|float|round(1) }} {{ amount|round }}", "12 12.3 12"),
    ("{{ name|int }} {{ '1e999'|float }} {{ empty|round }}", "0 0.0 0"),
    ("{{ \"it's o'neil\"|title }} {{ 'aB'|capitalize }}", "It's O'neil Ab"),
    ("{{ 'abc'|truncate(2) }} {{ 'abc'|truncate(3) }} {{ 'a b&c'|urlencode }}", "ab… abc a%20b%26c"),
    ("{{ 'a-b'|replace('-', '+')|upper }}{{ tags|split(',')|join('|') }}{{ 'abc'|last }}", "A+Bred| blue|greenc"),
    ("{{ none }}{{ true }}{{ 1.5 }}{{ 'a\\'b\\\\\\n' }}", "True1.5a'b\\\n"),
    ("{{ 'a\"b' }}{{ \"it's\" }}", "a\"bit's"),
    ("{{ range }}{{ turn }}{{ v0 }}{{ debug }}{{ self }}", ""),
    ("{{ name.upper }}{{ name[0] }}", "B"),
    ("a {# {{ note }} #}b {#id{color:red}}", "a b {#id{color:red}}"),
    ("{% raw %}{{ name }} {% if %}{% endraw %}{{ name }}", "{{ name }} {% if %}Bob"),
    ("a  {{- name -}}  b", "aBobb"),
    ("} }} %} #} {", "} }} %} #} {"),
    ("{{name}}{ {{ name }}", "Bob{ Bob"),
    ("a\n  {% if name %}  \nb\n{% endif %}\nc\n{# note #}\nd {% if name %}\ne{% endif %}", "a\nb\nc\nd \ne"),
    ("{% if name &gt; 'A' %}{{&nbsp;nope|default(&quot;x&quot;)&nbsp;}}{% endif %}", "x"),
    ("a\r\nb\rc\x00\x01d", "a\nb\ncd"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "text"), RENDERED)
def test_rendering(source: str, text: str) -> None:
    check_template(source)
    assert render(source) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ markup }}", "&lt;b&gt;&quot;Q&quot; &amp; &#x27;A&#x27;&#x2f;&lt;&#x2f;b&gt;"),
        ("{{ markup|e }}", "&lt;b&gt;&quot;Q&quot; &amp; &#x27;A&#x27;&#x2f;&lt;&#x2f;b&gt;"),
        ("{{ markup|e|escape }}", "&lt;b&gt;&quot;Q&quot; &amp; &#x27;A&#x27;&#x2f;&lt;&#x2f;b&gt;"),
        ("{{ markup|safe }}", VALUES["markup"]),
        ("{{ '<'|safe|upper }}<b>{{ '<' }}</b>", "&lt;<b>&lt;</b>"),
        ("{% for c in '<>' %}{{ c }}{% endfor %}", "&lt;&gt;"),
    ],
)
def test_values_are_escaped_in_html_unless_marked_safe(source: str, text: str) -> None:
    assert render(source, escapes_html=True) == text


@given(ANY_TEXT, ANY_TEXT, st.booleans())
def test_the_engine_gives_what_joining_gives(text: str, value: str, escapes_html: bool) -> None:
    source = "{% raw %}" + text + "{% endraw %}{{ a }}-{{ nope }}{{ a }}\n"
    pieces = read_template(source)
    values = {"a": clean_text(value)}
    plain = Template(pieces, escapes_html=escapes_html)
    engine = Template(pieces, escapes_html=escapes_html, always_engine=True)
    assert plain.is_plain
    assert not engine.is_plain
    assert plain.render(values) == engine.render(values)


@given(
    st.lists(
        st.sampled_from(["{{", "}}", "{%", "%}", "{#", "#}", "-", " ", "\n", "if", "for", "in", "a", "'", '"', "("])
    )
)
def test_any_source_is_read_or_refused_by_line(parts: list[str]) -> None:
    source = "".join(parts)
    try:
        check_template(source)
    except TemplateError as error:
        assert 1 <= error.line <= source.count("\n") + 1
    else:
        render(source)


RUNAWAY = [
    ("{% for i in range(1000) %}{% for j in range(1000) %}{% endfor %}{% endfor %}", "too much work"),
    ("{% for i in range(1001) %}x{% endfor %}", "1000 is the most"),
    ("{% for i in range(1, 999999999999999) %}x{% endfor %}", "1000 is the most"),
    ("{% for i in range(999) %}" + "x" * 5000 + "{% endfor %}", "more than 1000000 characters"),
    ("{% for i in range(999) %}{{ big }}{% endfor %}", "more than 1000000 characters"),
    ("{% for i in range(999) %}{% set x = big|upper %}{% endfor %}", "more than 1000000 characters"),
    ("{{ big }}" * 50, "more than 1000000 characters"),
    ("{{ big|replace('x', big) }}", "more than 1000000 characters"),
    ("{{ big|replace('', big) }}", "more than 1000000 characters"),
    (
        "".join([f"{{% set a{i} = small|replace('x', '{'x' * 2000}') %}}" for i in range(3)]),
        "more than 1000000 characters",
    ),
    ("{{ big|join(big) }}", "more than 1000000 characters"),
    ("{% set a = big %}" + "{% set a = a|replace('x', 'xx') %}" * 60, "more than 1000000 characters"),
    ("{% for i in big %}{% for j in big %}{% for k in big %}{% endfor %}{% endfor %}{% endfor %}", "too much work"),
    ("{{ range(1, 9, 0) }}", "one to three whole numbers"),
    ("{% for i in 5 %}{% endfor %}", "Line 1: number is not iterable"),
]


@pytest.mark.parametrize(("source", "reason"), RUNAWAY, ids=[source[:60] for source, _ in RUNAWAY])
def test_a_runaway_template_is_stopped_with_its_reason(source: str, reason: str) -> None:
    check_template(source)
    with pytest.raises(RenderError, match=reason):
        render(source, escapes_html=True, values={"big": "x" * 40_000, "small": "x" * 400})


@pytest.mark.parametrize(("name", "arguments"), [("replace", ("x", "y" * 1_000_000)), ("join", ("y" * 1_000_000,))])
def test_a_filter_does_not_even_begin_what_would_take_a_terabyte(name: str, arguments: tuple[str, ...]) -> None:
    with pytest.raises(RenderError, match="more than 1000000 characters"):
        FILTERS[name]("x" * 1_000_000, *arguments)


def test_logic_over_very_long_values_is_refused() -> None:
    values = {"big": "x" * (MAX_VALUES + 1), "name": "Bob"}
    with pytest.raises(RenderError, match="50000 is the most"):
        render("{% if big %}x{% endif %}", values=values)
    assert render("{% if name %}x{% endif %}", values=values) == "x"


def test_a_template_can_be_rendered_again_after_it_was_stopped() -> None:
    template = Template(read_template("{% for c in a %}{{ a }}{% endfor %}"), escapes_html=False)
    for _ in range(3):
        with pytest.raises(RenderError):
            template.render({"a": "x" * 2000})
        assert template.render({"a": "ab"}) == "abab"


def in_small_stack(function: Callable[[], object]) -> None:
    """Run in a thread with the smallest stack a server is likely to give one; an overflow ends the process."""
    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=function)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)


@pytest.mark.parametrize(
    "source",
    [
        "{{ " + "not " * (MAX_TOKENS - 1) + "a }}",
        "{{ " + "- " * (MAX_TOKENS - 1) + "1 }}",
        "{{ " + "(" * 99 + "a" + ")" * 99 + " }}",
        "{{ " + "a if b else " * 49 + "c }}",
        "{{ " + "a and " * 99 + "a }}",
        "{{ a" + "[0]" * 66 + "}}",
        "{{ a" + "|upper" * 99 + "}}",
        "{% if a %}" * (MAX_DEPTH - 1) + "{{ not not not (((((((((((a))))))))))) }}" + "{% endif %}" * (MAX_DEPTH - 1),
        "{% if a %}" + "{% elif a %}" * (MAX_DEPTH - 1) + "{% endif %}",
        "{% if a %}{{ a }}{% endif %}" * 3000,
    ],
    ids=["not", "minus", "brackets", "else", "and", "index", "filters", "if", "elif", "many"],
)
def test_the_deepest_template_fits_a_small_stack(source: str) -> None:
    outcomes: list[str] = []

    def attempt() -> None:
        try:
            outcomes.append(render(source, values={"a": "x"}))
        except (TemplateError, RenderError) as error:
            outcomes.append(str(error))

    in_small_stack(attempt)
    assert len(outcomes) == 1
