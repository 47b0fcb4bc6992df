"""The outbox: a Maildir behind the pool's interface."""

import asyncio
import mailbox
from pathlib import Path

import pytest

from sendmill.delivery.outbox import maildir_file_name
from sendmill.delivery.transmission import OutcomeKind
from tests.unit.delivery.smtp_peer import SHORT_PAUSES, Sending, in_loop, maildir_files, message, until


def outbox(folder: Path) -> Sending:
    return Sending(url="outbox:", outbox_folder=folder, limits=SHORT_PAUSES)


def with_id(message_id: str) -> bytes:
    return f"Subject: x\r\nMessage-ID: <{message_id}>\r\n\r\nHello\r\n.\r\n".encode()


@in_loop
async def test_a_message_is_a_file_of_the_maildir(tmp_path: Path) -> None:
    async with outbox(tmp_path / "data" / "outbox") as sending:
        outcome = await sending.outcome(message(1, content=with_id("1@example.com")))
        assert (outcome.kind, outcome.code, outcome.relay) == (OutcomeKind.ACCEPTED, 250, "outbox")
        assert sending.asked == [1]
    folder = tmp_path / "data" / "outbox"
    (path,) = maildir_files(folder)
    assert path.read_bytes() == (
        b"Return-Path: <news@example.com>\nDelivered-To: user1@example.org\n"
        b"Subject: x\nMessage-ID: <1@example.com>\n\nHello\n.\n"
    )
    assert list((folder / "tmp").iterdir()) == []
    (parsed,) = mailbox.Maildir(folder, create=False)
    assert parsed["Subject"] == "x"


@in_loop
async def test_a_repeat_takes_the_place_of_the_first(tmp_path: Path) -> None:
    async with outbox(tmp_path) as sending:
        await sending.outcome(
            message(1, content=with_id("a@x")),
            message(2, content=with_id("b@x"), recipient=b"user1@example.org"),
            message(3, content=with_id("a@x") + b"again\r\n", recipient=b"user1@example.org"),
            message(4, content=with_id("a@x"), recipient=b"other@example.org"),
        )
    assert len(maildir_files(tmp_path)) == 3
    assert sum(path.read_bytes().endswith(b"again\n") for path in maildir_files(tmp_path)) == 1


def test_file_names() -> None:
    named = maildir_file_name(message(1, content=with_id("a@x")))
    assert named == maildir_file_name(message(1, content=with_id("a@x") + b"more\r\n"))
    assert named != maildir_file_name(message(1, content=with_id("b@x")))
    assert "/" not in named
    folded = b"message-id:\r\n <a@x>\r\n\r\n"
    assert maildir_file_name(message(1, content=folded)) == named
    in_the_body = b"Subject: x\r\n\r\nMessage-ID: <a@x>\r\n"
    assert maildir_file_name(message(17, content=in_the_body)) == "17.sendmill"


@in_loop
async def test_what_may_not_be_sent_is_not_there(tmp_path: Path) -> None:
    async with outbox(tmp_path) as sending:
        sending.allowed = False
        assert (await sending.outcome(message(1))).kind is OutcomeKind.NOT_SENT
        assert list((tmp_path / "new").iterdir()) == list((tmp_path / "tmp").iterdir()) == []


@in_loop
async def test_addresses_that_would_inject_a_header(tmp_path: Path) -> None:
    async with outbox(tmp_path) as sending:
        outcome = await sending.outcome(message(1, recipient=b"a@b\nBcc: c@d"))
        assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, 553)
    assert maildir_files(tmp_path) == []


@in_loop
async def test_smtputf8_is_no_obstacle(tmp_path: Path) -> None:
    async with outbox(tmp_path) as sending:
        outcome = await sending.outcome(message(1, recipient="ü@example.org".encode(), smtputf8=True))
        assert outcome.kind is OutcomeKind.ACCEPTED
    assert "Delivered-To: ü@example.org\n".encode() in maildir_files(tmp_path)[0].read_bytes()


@in_loop
async def test_a_folder_that_cannot_be_written_pauses_the_outbox(tmp_path: Path) -> None:
    """A file stands where the folder should be; when it is gone, the outbox works."""
    obstacle = tmp_path / "outbox"
    obstacle.write_text("in the way")
    async with outbox(obstacle) as sending:
        await sending.outcome(message(1), message(2))
        assert sending.kinds() == [(1, "NOT_SENT"), (2, "NOT_SENT")]
        health = sending.pool.health()[0]
        assert health.failures_in_a_row == 1
        assert "Not a directory" in (health.last_error or "") or "File exists" in (health.last_error or "")
        obstacle.unlink()
        await sending.pool.wait_for_slot()
        assert (await sending.outcome(message(3))).kind is OutcomeKind.ACCEPTED
        assert sending.pool.health()[0].failures_in_a_row == 0


@in_loop
async def test_a_folder_that_is_removed_is_made_again(tmp_path: Path) -> None:
    async with outbox(tmp_path / "outbox") as sending:
        await sending.outcome(message(1))
        for folder in ("tmp", "cur", "new"):
            for path in (tmp_path / "outbox" / folder).iterdir():
                path.unlink()
            (tmp_path / "outbox" / folder).rmdir()
        assert (await sending.outcome(message(2))).kind is OutcomeKind.NOT_SENT
        await sending.pool.wait_for_slot()
        assert (await sending.outcome(message(2))).kind is OutcomeKind.ACCEPTED


@in_loop
async def test_slots_withdrawing_and_closing(tmp_path: Path) -> None:
    async with outbox(tmp_path) as sending:
        slots = sending.pool.free_slots()
        assert slots > 0
        sending.submit(*(message(i) for i in range(slots)))
        assert sending.pool.free_slots() == 0
        sending.pool.withdraw(lambda transmission: transmission.delivery_id == 3)
        assert sending.kinds() == [(3, "NOT_SENT")]
        while not maildir_files(tmp_path):
            await asyncio.sleep(0)
        await sending.pool.close(1.0)
        await sending.all_concluded()
        kinds = [kind for _, kind in sending.kinds()]
        assert kinds.count("ACCEPTED") == len(maildir_files(tmp_path))
        assert 0 < kinds.count("ACCEPTED") < slots
        sending.submit(message(1000))
        assert sending.of(1000).kind is OutcomeKind.NOT_SENT
        await until(lambda: not sending.pool.health()[0].in_hand)


def test_an_outbox_needs_its_folder() -> None:
    with pytest.raises(ValueError, match="folder"):
        Sending(url="outbox:")
