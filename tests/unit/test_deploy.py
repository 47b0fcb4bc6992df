"""The systemd units are what systemd takes, and start commands that exist."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sendmill.cli import _parser
from tests.components import needs

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted(path.name for path in DEPLOY.iterdir() if path.suffix in (".service", ".timer"))
INSTALLED = "/opt/sendmill/.venv/bin/sendmill"


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    needs(shutil.which("systemd-analyze"), "systemd-analyze")
    assert len(UNITS) >= 5
    command = str(Path(sys.executable).parent / "sendmill")
    for name in UNITS:
        (tmp_path / name).write_text((DEPLOY / name).read_text().replace(INSTALLED, command))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in UNITS)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if str(tmp_path) in line or any(name in line for name in UNITS)]
    assert (done.returncode, said) == (0, []), done.stderr


@pytest.mark.parametrize("name", [name for name in UNITS if name.endswith(".service")])
def test_units_start_commands_that_exist_and_are_confined(name: str) -> None:
    text = (DEPLOY / name).read_text()
    commands = re.findall(rf"^ExecStart=.*{re.escape(INSTALLED)} (\w+)", text, re.MULTILINE)
    assert len(commands) == 1
    with pytest.raises(SystemExit) as ended:
        _parser().parse_args([commands[0], "--help"])
    assert ended.value.code == 0
    for line in ("User=sendmill", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet="):
        assert line in text.splitlines()
