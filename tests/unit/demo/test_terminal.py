"""What the demo writes stands in columns, and cursor movements and colours are for terminals alone."""

import io

import pytest

from sendmill.demo.terminal import Terminal, cut, display_width, padded


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("", 0),
        ("Ada", 3),
        ("佐藤 花子", 9),
        ("서연", 4),
        ("Zoë", 3),
        ("Zoe\u0308", 3),
        ("สุดา", 3),
        ("a\u200db", 2),
        ("Ａ", 2),
    ],
)
def test_width_in_cells(text: str, cells: int) -> None:
    assert display_width(text) == cells
    assert display_width(padded(text, 12)) == 12
    assert padded(text, 12, right=True).endswith(text)


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("Ada", 3, "Ada"),
        ("Adam", 3, "Ad…"),
        ("佐藤花子", 8, "佐藤花子"),
        ("佐藤花子", 7, "佐藤花…"),
        ("佐藤花子", 6, "佐藤…"),
    ],
)
def test_cut_at_a_width(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown
    assert display_width(cut(text, width)) <= width


def test_a_table_has_straight_columns() -> None:
    stream = io.StringIO()
    Terminal(stream).table(("Name", "Number", "Note"), [("佐藤", "5", "x"), ("Ada", "1200", "y"), ("all", "1205", "")])
    assert stream.getvalue() == (
        "  Name   Number   Note\n"
        "  ────────────────────\n"
        "  佐藤        5   x\n"
        "  Ada      1200   y\n"
        "  all      1205\n"
    )  # fmt: skip


def test_a_file_gets_lines_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = io.StringIO()
    terminal = Terminal(stream)
    terminal.begin("Delivery")
    for count in range(0, 301, 10):
        terminal.progress("Delivery", count, 300)
    terminal.done("Delivery", "done")
    assert stream.getvalue().splitlines() == [
        "    Delivery   0/300",
        "    Delivery   80/300",
        "    Delivery   150/300",
        "    Delivery   230/300",
        "    Delivery   300/300",
        "  ✓ Delivery   done",
    ]


@pytest.mark.parametrize(
    ("settings", "draws", "colours"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_a_terminal_is_drawn_on(
    settings: dict[str, str], draws: bool, colours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    screen = Screen()
    terminal = Terminal(screen)
    terminal.begin("Delivery")
    terminal.progress("Delivery", 150, 300)
    terminal.done("Delivery", "done")
    assert ("\r\x1b[K" in screen.getvalue()) == draws
    assert ("\x1b[32m" in screen.getvalue()) == colours
    assert ("█" * 16 in screen.getvalue()) == draws
