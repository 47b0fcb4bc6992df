"""Owners: a process is told from another that got its number later."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sendmill.delivery import owner as owner_module
from sendmill.delivery.owner import Owner, node_id, this_process


def test_this_process_is_alive_and_reads_back(tmp_path: Path):
    owner = this_process(tmp_path)
    assert owner.is_alive()
    assert Owner.parse(str(owner)) == owner
    assert (owner.pid, owner.node) == (os.getpid(), node_id(tmp_path))


def test_another_process_with_the_same_number_is_not_it(tmp_path: Path):
    owner = this_process(tmp_path)
    assert not Owner(owner.node, owner.pid, owner.started - 1).is_alive()


def test_a_process_that_ended_is_dead_even_before_it_is_waited_for(tmp_path: Path):
    process = subprocess.Popen(["sleep", "60"])
    started = int(Path(f"/proc/{process.pid}/stat").read_text().split(")")[1].split()[19])
    owner = Owner("aaaaaaaaaaaa", process.pid, started)
    assert owner.is_alive()
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not owner.is_alive()
    process.wait()
    assert not owner.is_alive()


def test_processes_that_start_at_once_agree_on_the_node(tmp_path: Path):
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: node_id(tmp_path), range(32)))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["node-id"]


def test_after_a_reboot_the_machine_is_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = node_id(tmp_path)
    assert node_id(tmp_path) == before
    boot_id = tmp_path / "boot_id"
    boot_id.write_text("01234567-89ab-cdef-0123-456789abcdef\n")
    monkeypatch.setattr(owner_module, "_BOOT_ID", boot_id)
    assert node_id(tmp_path) == before[:12] + "01234567"


@pytest.mark.parametrize("text", ["", "a:b:c", "node:1", "node:1:2:3"])
def test_what_is_no_owner_is_refused(text: str):
    with pytest.raises(ValueError):
        Owner.parse(text)
