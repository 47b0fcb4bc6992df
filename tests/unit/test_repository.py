"""What every file of the repository keeps to."""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
MOST_LINES = 400

# Put together here, so that this file doesn't name what it looks for. A package index is the installer's to choose.
_REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"), ("pythonhosted", "org"), ("registry", "npmjs"), ("yarnpkg", "com"),
        ("jsdelivr", "net"), ("unpkg", "com"), ("cdnjs", "cloudflare"), ("deb", "debian"), ("security", "debian"),
        ("proxy", "golang"), ("crates", "io"), ("rubygems", "org"), ("docker", "io"), ("ghcr", "io"),
    )
]  # fmt: skip
_MACHINE_PATH = re.compile(r"(?:^|[^A-Za-z0-9_.~-])/(?:" + "|".join(("wo" + "rk", "fa" + "rm", "ro" + "ot")) + r")/")


def texts() -> list[tuple[str, str]]:
    """Path and text of every file of ours: not what tools and servers leave behind, nor vendored minified files."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            name
            for name in folders
            if (name == ".ci" or not name.startswith("."))
            and name not in ("__pycache__", "build", "sendmill-data")
            and not name.endswith(".egg-info")
        ]
        for name in names:
            content = (Path(folder) / name).read_bytes()
            if name != ".git" and ".min." not in name and b"\0" not in content:
                path = str((Path(folder) / name).relative_to(ROOT))
                found.append((path, content.decode("utf-8", errors="replace")))
    return found


def test_no_package_registry_and_no_path_of_one_machine_is_named() -> None:
    assert {"Makefile", "src/sendmill/settings.py", ".ci/run"} <= {name for name, _ in texts()}
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if any(registry in line for registry in _REGISTRIES) or _MACHINE_PATH.search(line)
    ]
    assert not found, "\n".join(found)


def test_no_module_is_longer_than_one_thing_needs() -> None:
    modules = [path for path in (ROOT / "src").rglob("*.py") if "migrations" not in path.parts]
    assert modules
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules}
    assert not {name: length for name, length in lengths.items() if length > MOST_LINES}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_locks_pin_by_hash_and_name_no_address(lock: Path) -> None:
    text = lock.read_text()
    requirements = re.findall(r"^[A-Za-z0-9][^\n]*(?:\n {4}--hash[^\n]*)*", text, re.MULTILINE)
    assert requirements
    for requirement in requirements:
        assert re.match(r"[A-Za-z0-9._-]+(?:\[[^]]*\])?==\S+ ", requirement), requirement.splitlines()[0]
        assert "--hash=sha256:" in requirement, requirement.splitlines()[0]
    assert "://" not in text
    assert "index-url" not in text and "find-links" not in text


def test_every_name_asked_for_is_locked() -> None:
    assert {lock.stem for lock in LOCKS} == {path.stem for path in (ROOT / "requirements").glob("*.in")}
    for lock in LOCKS:
        locked = set(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==", lock.read_text(), re.MULTILINE))
        assert requested(lock.with_suffix(".in")) <= locked


def requested(path: Path) -> set[str]:
    """The names in a requirements file, without extras and versions."""
    return set(re.findall(r"^([a-z0-9][a-z0-9._-]*)", path.read_text(), re.MULTILINE))
