"""Bodies that end too early. A server tells the application no more of a client that went away than an end of input;
what came until then must not count as a smaller upload."""

import errno
import io
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django.fixtures import Settings

from sendmill.api import bulk
from sendmill.api.body import NamelessFileUploadHandler
from tests.database.api.conftest import Answer, Program

MULTIPART = "multipart/form-data; boundary=X"
FILE = (
    b'--X\r\nContent-Disposition: form-data; name="csv_file"; filename="f.csv"\r\n\r\n'
    b"zoe@example.com\r\nbob@example.com\r\n--X--\r\n"
)
INCOMPLETE = {"detail": "The request ended before its body was complete."}


def send(api: Program, path: str, body: bytes, content_type: str, length: int | None) -> Answer:
    """A request as Granian hands it over: `length` is what the client announced, None if it sent chunks."""
    environ: dict[str, Any] = {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True}
    environ["CONTENT_LENGTH"] = "" if length is None else str(length)
    return api.send("POST", path, body, content_type, **environ)


@pytest.mark.parametrize("cut", [1, 8, 30, len(FILE) - 5, len(FILE)])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_an_upload_cut_short_changes_nothing(api: Program, is_chunked: bool, cut: int) -> None:
    length = None if is_chunked else len(FILE)

    answer = send(api, "/email/optout/bulk/add/", FILE[:-cut], MULTIPART, length)

    if cut == 1:  # the last line feed is nobody's loss, unless it was announced
        is_complete = is_chunked
        assert answer.status == (200 if is_complete else 400)
    else:
        assert answer.status == 400
    if answer.status == 400:
        assert api.get("/email/optout/").json == []


def test_the_reason_is_told(api: Program) -> None:
    assert send(api, "/email/optout/bulk/add/", FILE[:-30], MULTIPART, None).expect(400).json == INCOMPLETE
    assert send(api, "/email/optout/bulk/add/", FILE[:-30], MULTIPART, len(FILE)).expect(400).json == INCOMPLETE
    assert send(api, "/email/contact/", b'{"tag": "x"}', "application/json", 50).expect(400).json == INCOMPLETE
    form = "application/x-www-form-urlencoded"
    assert send(api, "/email/contact/", b"tag=My+Grou", form, 12).expect(400).json == INCOMPLETE


def test_a_body_in_chunks_is_taken(api: Program) -> None:
    send(api, "/email/optout/bulk/add/", FILE, MULTIPART, None).expect(200)
    assert len(api.get("/email/optout/").json) == 2
    send(api, "/email/contact/", b'{"tag": "x"}', "application/json", None).expect(201)
    send(api, "/email/contact/", b'{"tag": "x"', "application/json", None).expect(400)
    assert list(send(api, "/email/contact/", b"", "application/json", None).expect(400).json) == ["tag"]
    assert list(send(api, "/email/contact/", b"", MULTIPART, None).expect(400).json) == ["tag"]
    assert list(send(api, "/email/contact/", b"", "", None).expect(400).json) == ["tag"]


def test_a_form_in_chunks_has_no_end_that_could_be_seen(api: Program) -> None:
    answer = send(api, "/email/contact/", b"tag=My+Group", "application/x-www-form-urlencoded", None)

    assert answer.expect(411).json == {"detail": "A Content-Length is required with this Content-Type."}


def test_a_body_in_chunks_is_stopped_at_the_limit(api: Program, settings: Settings) -> None:
    settings.SENDMILL_MAX_UPLOAD = len(FILE) - 1

    answer = send(api, "/email/optout/bulk/add/", FILE, MULTIPART, None).expect(413)

    assert answer.json == {"detail": "The request is too large."}
    assert api.get("/email/optout/").json == []


def test_a_full_disk(api: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(NamelessFileUploadHandler, "receive_data_chunk", refuse)

    answer = send(api, "/email/optout/bulk/add/", FILE, MULTIPART, len(FILE)).expect(507)

    assert answer.json == {"detail": "The server has no room to take this upload."}


def test_uploads_leave_no_file_behind(api: Program, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even while they are read: the files have no names."""
    folder = Path(settings.FILE_UPLOAD_TEMP_DIR)
    seen: list[list[Path]] = []
    run_import = bulk.run_import

    def look_and_run(*arguments: Any, **options: Any) -> Any:
        seen.append(list(folder.iterdir()))
        return run_import(*arguments, **options)

    monkeypatch.setattr(bulk, "run_import", look_and_run)
    file = SimpleUploadedFile("f.csv", b"zoe@example.com\n" * 100_000)
    api.upload("/email/optout/bulk/add/", {"csv_file": file}).expect(200)

    assert seen == [[]]
