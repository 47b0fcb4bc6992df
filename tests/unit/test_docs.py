"""The pages say what is there: links lead somewhere; commands, settings, modules and packages exist."""

import argparse
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from sendmill import urls
from sendmill.cli import _parser
from sendmill.settings import SETTINGS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


def test_the_pages_are_there() -> None:
    assert {"README.md", "quickstart.md", "api.md", "operating.md", "architecture.md"} <= {page.name for page in PAGES}


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    prose = _FENCED.sub("", page.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert linked.is_relative_to(ROOT), target
        if anchor:
            assert anchor in set(anchors(linked)), target


def anchors(page: Path) -> Iterator[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    for heading in re.findall(r"^#+ (.*)$", _FENCED.sub("", page.read_text()), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@every_page
def test_commands_exist(page: Path) -> None:
    for command in commands(page.read_text()):
        check_command(command)


def test_commands_are_found_and_checked() -> None:
    assert "sendmill demo --once" in list(commands("`sendmill demo --once`"))
    assert list(commands("    A=b .venv/bin/sendmill run\nthe sendmill package")) == ["sendmill run"]
    check_command("sendmill worker [--processes N]")
    for wrong in ("sendmill rum", "sendmill demo --twice", "sendmill client remove", "sendmill run|wep"):
        with pytest.raises(AssertionError):
            check_command(wrong)


def commands(text: str) -> Iterator[str]:
    """Each `sendmill …` in code: in a code span, or on a line of a code block after what sets its environment."""
    blocks = "\n".join(body for _, body in _FENCED.findall(text))
    indented = "\n".join(re.findall(r"^ {4}(.*)$", _FENCED.sub("", text), re.MULTILINE))
    spans = "\n".join(re.findall(r"`([^`\n]+)`", _FENCED.sub("", text)))
    # A prompt, an environment or a `$(` may stand before it; what a shell does with its output comes after.
    found = re.findall(
        r"(?:^|\$\(|&& )(?:\w+=\S* )*(?:\.venv/bin/)?sendmill((?: +[^|;&)\n]+(?:\|\w+)*)*)",
        f"{blocks}\n{indented}\n{spans}",
        re.MULTILINE,
    )
    return (f"sendmill{arguments}" for arguments in found if arguments and not arguments.lstrip().startswith(":"))


def check_command(command: str) -> None:
    """Raises AssertionError unless the command line knows the command and its options."""
    words = shlex.split(re.sub(r"[\[\]]", " ", command.partition("#")[0]))[1:]
    parser = _parser()
    while subcommands := [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]:
        assert words, command
        first, *words = words
        if first.startswith("-"):  # --help, --version
            words.insert(0, first)
            break
        names = first.split("|")
        assert set(names) <= subcommands[0].choices.keys(), command
        parser = subcommands[0].choices[names[-1]]
    known = {option for action in parser._actions for option in action.option_strings}
    assert {word.partition("=")[0] for word in words if word.startswith("-")} <= known, command


@every_page
def test_settings_exist(page: Path) -> None:
    names = set(re.findall(r"\bSENDMILL_[A-Z_]+\b", page.read_text()))
    assert names <= {setting.name for setting in SETTINGS} | {"SENDMILL_REQUIRE_ALL"}


@every_page
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make (\w+)", page.read_text())) <= targets


@every_page
def test_modules_exist(page: Path) -> None:
    for path in re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.(?:py|sql))`", page.read_text()):
        assert any((ROOT / folder / path).exists() for folder in ("", "src/sendmill")), path


@every_page
def test_examples_in_json_are_json(page: Path) -> None:
    for body in (body for language, body in _FENCED.findall(page.read_text()) if language == "json"):
        json.loads(body)


@every_page
def test_prose_keeps_to_the_width(page: Path) -> None:
    prose = _FENCED.sub("", page.read_text())
    assert not [line for line in prose.splitlines() if len(line) > 120 and not line.startswith(("|", "    "))]


def test_every_runtime_package_has_its_reason() -> None:
    required = re.findall(r"^([a-z][a-z0-9-]*)", (ROOT / "requirements/runtime.in").read_text(), re.MULTILINE)
    table = (
        (ROOT / "docs/architecture.md").read_text().partition("\n## Runtime dependencies\n")[2].partition("\n## ")[0]
    )
    explained = re.findall(r"^\| `([a-z0-9-]+)` \| \S.{10,} \|$", table, re.MULTILINE)
    assert required
    assert sorted(required) == sorted(explained)


def test_the_api_page_has_every_path() -> None:
    page = (ROOT / "docs/api.md").read_text()
    documented = {path.partition("?")[0] for path in re.findall(r"`(?:[A-Z]+ )?(/[a-z0-9/-]+(?:\?[^`]*)?)`", page)}
    served = {f"/{route.pattern}" for route in urls.api} | {"/api/v1/schema/", "/api/v1/docs/", "/healthz", "/readyz"}
    assert documented - {"/api/v1/"} == served
