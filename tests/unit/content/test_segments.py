"""Templates with logic, taken apart: the same message as by the engine alone."""

import email
from email.policy import compat32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendmill.content import compile as compiling
from sendmill.content.compile import CompiledMessage, Recipient
from sendmill.content.segments import segments
from sendmill.content.template import RenderError
from sendmill.content.template_reader import read_template
from tests.unit.content.texts import ANY_TEXT

PIECES = st.sampled_from(
    [
        "text ", "line\n", ".dot\n", "From here\n", "  \n", "ä=ß", "<p>", "</p>\n", "{{ name }}", "{{ city }}",
        "{{ city|upper }}", '{{ city|default("nowhere") }}', "{% if city %}in {{ city }}{% endif %}",
        "{% if name == 'Bob' %}\n.Bob\n{% else %}{{ name }}{% endif %}",
        "{% for tag in city|split(' ') %}{{ loop.index }}: {{ tag }}\n{% else %}none{% endfor %}",
        "{% for n in range(3) %}{% if n %}{{ n }} {{ city }}{% endif %}{% endfor %}",
    ]
)  # fmt: skip


def parsed(octets: bytes) -> list[str]:
    parts = email.message_from_bytes(octets, policy=compat32).walk()
    return [part.get_payload(decode=True).decode() for part in parts if not part.is_multipart()]  # type: ignore[union-attr]


def rendered(body: str, recipient: Recipient, always_engine: bool) -> list[str] | str:
    message = CompiledMessage("Subject", body, "news@example.org", always_engine=always_engine)
    try:
        octets = message.render(recipient, "id@example.org", "Mon, 23 Nov 2026 12:00:00 +0000")
    except RenderError as error:
        return str(error)
    for line in octets.split(b"\r\n"):
        assert len(line) <= 76 and not line.startswith(b".")
    return parsed(octets)


@given(st.lists(PIECES, max_size=12).map("".join), ANY_TEXT, ANY_TEXT)
def test_both_roads_give_the_same_message(body: str, name: str, city: str) -> None:
    recipient = Recipient(name[:50].strip() or "x", "bob@example.com", {"city": city})
    assert rendered(body, recipient, False) == rendered(body, recipient, True)


def test_only_logic_is_for_the_engine() -> None:
    found = segments(read_template("a{{ x }}b{% if x %}{{ y }}{% for i in z %}c{% endfor %}{% endif %}d{{ x|upper }}"))
    assert found is not None
    assert [type(part).__name__ for part in found] == ["str", "Tag", "str", "tuple", "str", "tuple"]
    assert len(found[3]) == 6  # type: ignore[arg-type]


def test_what_is_set_counts_for_all_that_follows() -> None:
    body = "{% set who = city %}Hello {{ who }} {% if city %}{% set who = name %}{% endif %}{{ who }}\n"
    assert segments(read_template(body)) is None
    assert rendered(body, Recipient("Bob", "bob@example.com", {"city": "Bern"}), False) == ["Hello Bern Bob\r\n"]


@pytest.mark.parametrize("always_engine", [False, True])
def test_an_error_names_the_line(always_engine: bool) -> None:
    body = "one\ntwo\n{% if name %}x{% endif %}\n\n{% for n in 5 %}{% endfor %}\n"
    said = rendered(body, Recipient("Bob", "bob@example.com", {"city": "Bern"}), always_engine)
    assert isinstance(said, str)
    assert "Line 5" in said


def test_runs_of_the_same_variables_go_through_one_engine_and_engines_are_few() -> None:
    body = "".join(f"{{% if c{n} %}}{n}{{% endif %}}{{% if c{n} == name %}}N{{% endif %}}" for n in range(20)) + "\n"
    message = CompiledMessage("S", body, "news@example.org")
    assert len(message._logic) == compiling._MOST_ENGINES
    fields = {f"c{n}": "Bob" if n % 2 else "x" for n in range(20)}
    assert rendered(body, Recipient("Bob", "b@example.com", fields), False) == [
        "".join(f"{n}N" if n % 2 else f"{n}" for n in range(20)) + "\r\n"
    ]
    same = CompiledMessage("S", "{% if a %}1{% endif %} {% if a %}2{% endif %}{{ b|upper }}\n", "news@example.org")
    assert [len(places) for places, _ in same._logic] == [2, 1]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_MOST_KNOWN_RUNS", 3)
    message = CompiledMessage("S", "{% if city %}in {{ city }}{% endif %}\n", "news@example.org")
    [(_, runs)] = message._logic
    for number in [*range(10), 9, 1]:
        [text] = parsed(message.render(Recipient("B", "b@example.com", {"city": str(number)}), "i@x", "d"))
        assert text == f"in {number}\r\n"
        assert len(runs._known) <= 3
    runs._known.clear()
    message.render(Recipient("B", "b@example.com", {"city": "x" * 9_000}), "i@x", "d")
    assert not runs._known
