"""The journal: what is read back is what was written, and settled segments go."""

import contextlib
import os
import resource
from pathlib import Path

import pytest

from sendmill.delivery import journal as journal_module
from sendmill.delivery.journal import Journal, delete_journal, journal_owners, read_journal
from sendmill.delivery.owner import Owner
from sendmill.delivery.transmission import Outcome, OutcomeKind

OWNER = Owner("aaaaaaaaaaaa", 12, 345)
FENCE = 7


def answer(delivery_id: int, reply: str = "2.0.0 Ok") -> Outcome:
    return Outcome(delivery_id, OutcomeKind.ACCEPTED, 250, reply, "relay:25")


def test_what_was_written_is_read_back(tmp_path: Path):
    journal = Journal(tmp_path, OWNER)
    journal.intend(1, FENCE)
    journal.intend(2, FENCE)
    journal.answer(answer(1, 'a "reply"\nwith a line end and \u2028'), FENCE)
    found = read_journal(tmp_path, OWNER)
    assert found.keys() == {(1, FENCE), (2, FENCE)}
    assert found[2, FENCE] is None
    first = found[1, FENCE]
    assert first is not None
    assert (first.kind, first.code, first.reply) == (OutcomeKind.ACCEPTED, 250, 'a "reply"\nwith a line end and \u2028')


def test_an_answer_without_an_intent_needs_no_line(tmp_path: Path):
    journal = Journal(tmp_path, OWNER)
    journal.answer(answer(1), FENCE)
    assert read_journal(tmp_path, OWNER) == {}


def test_a_second_attempt_under_the_same_fence_is_in_doubt_again(tmp_path: Path):
    journal = Journal(tmp_path, OWNER)
    journal.intend(1, FENCE)
    journal.answer(Outcome(1, OutcomeKind.NOT_SENT, None, "lost", "relay:25"), FENCE)
    journal.intend(1, FENCE)
    assert read_journal(tmp_path, OWNER) == {(1, FENCE): None}


def test_segments_are_deleted_once_all_they_name_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 150)
    journal = Journal(tmp_path, OWNER)
    for number in range(1_000):
        journal.intend(number, FENCE)
        journal.answer(answer(number), FENCE)
        if number >= 20:
            journal.recorded(number - 20)
        assert len(list(tmp_path.iterdir())) < 60
        # What isn't recorded yet can always be read.
        if number % 100 == 99:
            found = read_journal(tmp_path, OWNER)
            assert {(n, FENCE) for n in range(number - 19, number + 1)} <= found.keys()
    for number in range(980, 1_000):
        journal.recorded(number)
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_a_journal_closed_with_something_unrecorded_stays(tmp_path: Path):
    journal = Journal(tmp_path, OWNER)
    journal.intend(1, FENCE)
    journal.close()
    assert list(journal_owners(tmp_path)) == [OWNER]
    delete_journal(tmp_path, OWNER)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "line", [b"> 12\n", b"> x y\n", b"< {not json\n", b"< [1,2]\n", b"\xff\xfe\n", b'< [1,7,"GONE",1,"",""]\n']
)
def test_lines_that_a_crash_spoiled_are_passed_over(tmp_path: Path, line: bytes):
    Journal(tmp_path, OWNER).intend(1, FENCE)
    [segment] = tmp_path.iterdir()
    segment.write_bytes(b"> 1 7\n" + line + b"> 2 7\n" + bytes(1_000))
    assert read_journal(tmp_path, OWNER) == {(1, FENCE): None, (2, FENCE): None}


def test_a_full_disk_refuses_an_intent_and_is_forgotten_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 20)
    journal = Journal(tmp_path, OWNER)
    journal.intend(1, FENCE)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        for number in range(2, 6):
            with contextlib.suppress(OSError):
                journal.intend(number, FENCE)
        with pytest.raises(OSError, match="too large"):
            journal.intend(6, FENCE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    journal.intend(7, FENCE)
    found = read_journal(tmp_path, OWNER)
    assert {(1, FENCE), (7, FENCE)} <= found.keys()
    assert (6, FENCE) not in found


def test_every_prefix_of_a_journal_can_be_read(tmp_path: Path):
    """kill -9 may cut the file anywhere: an intent counts once its line is whole, an answer too."""
    journal = Journal(tmp_path, OWNER)
    journal.intend(1, FENCE)
    journal.answer(answer(1), FENCE)
    journal.intend(2, FENCE)
    [segment] = tmp_path.iterdir()
    whole = segment.read_bytes().rstrip(b"\0")
    ends = [position + 1 for position, byte in enumerate(whole) if byte == 10]
    for size in range(len(whole), -1, -1):
        os.truncate(segment, size)
        found = read_journal(tmp_path, OWNER)
        assert ((1, FENCE) in found) == (size >= ends[0])
        assert (found.get((1, FENCE)) is not None) == (size >= ends[1])
        assert ((2, FENCE) in found) == (size >= ends[2])
