"""Bulk calls, and what is told about them afterwards."""

import csv
import io
import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from sendmill.contacts import import_jobs
from sendmill.contacts.models import Import
from tests.database.api.conftest import Answer, Program, Tenant

CONTACT_CALLS = ["replace", "update", "delete"]
OPTOUT_CALLS = ["add", "delete"]
PEOPLE = b"name,email,city\r\nZo\xc3\xab,zoe@example.com,Bern\r\nBob,bob@example.com,Rome\r\n"


@pytest.fixture
def group(api: Program) -> str:
    return api.post("/email/contact/", {"tag": "People"}).id


def upload(api: Program, path: str, content: bytes | None, mount: str = "", **fields: Any) -> Answer:
    file = {} if content is None else {"csv_file": SimpleUploadedFile("people.csv", content, "text/csv")}
    return api.upload(mount + path, fields | file)


def contacts(api: Program, group: str) -> list[tuple[str, str]]:
    return [(row["name"], row["email"]) for row in api.get("/email/contact/", _id=group).json["contacts"]]


def optouts(api: Program) -> list[str]:
    return [row["email"] for row in api.get("/email/optout/").json]


@pytest.mark.parametrize("mount", ["", "/api/v1"])
def test_the_three_calls_of_a_group(api: Program, group: str, mount: str) -> None:
    def call(verb: str, content: bytes, **indexes: int) -> None:
        answer = upload(api, f"/email/contact/bulk/{verb}/?_id={group}", content, mount, **indexes)
        assert answer.expect(200).body == b""
        assert answer.content_type is None
        assert len(answer.headers["Sendmill-Import"]) == 24

    call("replace", PEOPLE, name_index=0, email_index=1)
    assert contacts(api, group) == [("Zoë", "zoe@example.com"), ("Bob", "bob@example.com")]

    call("update", b"Robert,BOB@example.com\nEve,eve@example.com\n", name_index=0, email_index=1)
    assert contacts(api, group) == [
        ("Zoë", "zoe@example.com"), ("Robert", "BOB@example.com"), ("Eve", "eve@example.com"),
    ]  # fmt: skip

    call("delete", b"zoe@Example.com\nnobody@example.com\n", email_index=0)
    assert contacts(api, group) == [("Robert", "BOB@example.com"), ("Eve", "eve@example.com")]

    call("replace", b"name,email\n", name_index=0, email_index=1)
    assert contacts(api, group) == []


@pytest.mark.parametrize("mount", ["", "/api/v1"])
def test_the_two_calls_of_the_optouts(api: Program, other: Tenant, mount: str) -> None:
    other.api.post("/email/optout/", {"email": "zoe@example.com"})

    upload(api, "/email/optout/bulk/add/", PEOPLE, mount).expect(200)
    assert optouts(api) == ["zoe@example.com", "bob@example.com"]

    file = b"reason,old,new\nx,bob@example.com,eve@example.com\n"
    upload(api, "/email/optout/bulk/add/", file, mount, email_index=2).expect(200)
    assert optouts(api) == ["zoe@example.com", "bob@example.com", "eve@example.com"]

    answer = upload(api, "/email/optout/bulk/delete/", b"ZOE@example.com\n", mount).expect(200)
    assert optouts(api) == ["bob@example.com", "eve@example.com"]
    assert optouts(other.api) == ["zoe@example.com"]
    assert api.get("/email/import/", _id=answer.headers["Sendmill-Import"]).json["contact_group_id"] is None


def test_the_calls_of_a_group_need_its_id(api: Program, other: Tenant, group: str) -> None:
    for verb in CONTACT_CALLS:
        for query in ("", "?_id=", "?$_id="):
            answer = upload(other.api, f"/email/contact/bulk/{verb}/{query}", PEOPLE, name_index=0, email_index=1)
            assert answer.expect(400).json == {"_id": ["This field is required."]}
        for object_id in (group, "57bb010e2cd5264797b017e5", "nonsense"):
            path = f"/email/contact/bulk/{verb}/?_id={object_id}"
            answer = upload(other.api, path, PEOPLE, name_index=0, email_index=1)
            assert answer.expect(404).json == {"detail": "Not found."}
    assert contacts(api, group) == []


@pytest.mark.parametrize("verb", CONTACT_CALLS)
@pytest.mark.parametrize("index", ["", "-1", "x", "1.5", "٣", "3", "1e3", "9" * 50, "\0"])
def test_a_wrong_index_changes_nothing(api: Program, group: str, verb: str, index: str) -> None:
    upload(api, f"/email/contact/bulk/replace/?_id={group}", PEOPLE, name_index=0, email_index=1).expect(200)
    before = contacts(api, group)

    answer = upload(api, f"/email/contact/bulk/{verb}/?_id={group}", PEOPLE, name_index=0, email_index=index)

    assert list(answer.expect(400).json) == ["email_index"]
    if verb != "delete":
        answer = upload(api, f"/email/contact/bulk/{verb}/?_id={group}", PEOPLE, name_index=index, email_index=1)
        assert list(answer.expect(400).json) == ["name_index"]
    assert contacts(api, group) == before


def test_what_is_missing(api: Program, group: str) -> None:
    required = ["This field is required."]
    for verb in ("replace", "update"):
        path = f"/email/contact/bulk/{verb}/?_id={group}"
        assert upload(api, path, PEOPLE).expect(400).json == {"name_index": required, "email_index": required}
        assert upload(api, path, PEOPLE, email_index=1).expect(400).json == {"name_index": required}
    assert upload(api, f"/email/contact/bulk/delete/?_id={group}", PEOPLE).expect(400).json == {"email_index": required}


@pytest.mark.parametrize(
    "content",
    [None, b"", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01", b"\n\n\n"],
    ids=["missing", "empty", "png", "blank"],
)
def test_a_file_that_cannot_be_used_changes_nothing(api: Program, group: str, content: bytes | None) -> None:
    upload(api, f"/email/contact/bulk/replace/?_id={group}", PEOPLE, name_index=0, email_index=1).expect(200)
    before = contacts(api, group)

    for verb in CONTACT_CALLS:
        answer = upload(api, f"/email/contact/bulk/{verb}/?_id={group}", content, name_index=0, email_index=1)
        assert list(answer.expect(400).json) == ["csv_file"]
    for verb in OPTOUT_CALLS:
        assert list(upload(api, f"/email/optout/bulk/{verb}/", content).expect(400).json) == ["csv_file"]

    assert contacts(api, group) == before
    assert optouts(api) == []


def test_a_file_that_comes_as_a_field(api: Program) -> None:
    answer = api.upload("/email/optout/bulk/add/", {"csv_file": "zoe@example.com"}).expect(400)

    reason = "The submitted data was not a file. Check the encoding type on the form."
    assert answer.json == {"csv_file": [reason]}


def test_only_multipart_is_taken(api: Program, group: str) -> None:
    for path in (f"/email/contact/bulk/replace/?_id={group}", "/email/optout/bulk/add/"):
        for content_type in ("application/json", "text/csv", "application/x-www-form-urlencoded"):
            answer = api.send("POST", path, b"{}", content_type).expect(415)
            assert answer.json == {"detail": f'Unsupported media type "{content_type}" in request.'}


def test_rejected_rows_are_counted_kept_and_downloadable(api: Program, acme: Tenant, other: Tenant, group: str) -> None:
    file = b'name,email\nZoe,zoe@example.com\nBob,\'=HYPERLINK("x")\nEve,=1+1\nZoe,zoe@example.com\n'
    done = upload(api, f"/email/contact/bulk/replace/?_id={group}", file, name_index=0, email_index=1).expect(200)
    object_id = done.headers["Sendmill-Import"]

    told = api.get("/email/import/", _id=object_id).expect(200).json

    assert list(told) == [
        "$_id", "client_id", "contact_group_id", "kind", "status", "error", "accepted_rows", "duplicate_rows",
        "rejected_rows", "rejected", "created_on", "modified_on",
    ]  # fmt: skip
    assert told["$_id"] == {"$oid": object_id}
    assert told["client_id"] == {"$oid": acme.client.object_id}
    assert told["contact_group_id"] == {"$oid": group}
    assert (told["kind"], told["status"], told["error"]) == ("replace", "done", "")
    counts = (told["accepted_rows"], told["duplicate_rows"], told["rejected_rows"])
    assert counts == (Import.objects.get().accepted_rows, 1, 2)
    assert [(row["line"], row["column_index"], row["column"]) for row in told["rejected"]] == [
        (3, 1, "email"), (4, 1, "email"),
    ]  # fmt: skip

    download = api.get("/email/import/rejected/", _id=object_id).expect(200)
    assert download.content_type == "text/csv; charset=utf-8"
    assert download.headers["Content-Disposition"] == f'attachment; filename="rejected-{object_id}.csv"'
    header, *rows = csv.reader(io.StringIO(download.body.decode("utf-8-sig")))
    assert header == ["line", "column_index", "column", "value", "reason"]
    assert [row[:4] for row in rows] == [["3", "1", "email", '\'=HYPERLINK("x")'], ["4", "1", "email", "'=1+1"]]

    (listed,) = api.get("/email/import/").json
    assert listed == {key: value for key, value in told.items() if key != "rejected"}
    for path in ("/email/import/", "/email/import/rejected/"):
        other.api.get(path, _id=object_id).expect(404)
    assert other.api.get("/email/import/").json == []
    assert api.get("/email/import/rejected/").expect(400).json == {"_id": ["This field is required."]}


def test_no_cell_of_the_download_is_a_formula(api: Program) -> None:
    cells = ["=1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", " =1"]
    file = "".join(f'"{cell}",x\n' for cell in cells).encode()
    done = upload(api, "/email/optout/bulk/add/", b"email,x\n" + file).expect(200)

    download = api.get("/email/import/rejected/", _id=done.headers["Sendmill-Import"])

    _, *rows = csv.reader(io.StringIO(download.body.decode("utf-8-sig"), newline=""))
    assert len(rows) == len(cells)
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for row in rows for cell in row)


def run_jobs(folder: Path) -> None:
    for import_id in import_jobs.unfinished_jobs():
        import_jobs.run_job(import_id, folder, threading.Event())


def test_a_job_is_answered_at_once_and_tells_how_far_it_is(
    api: Program, acme: Tenant, other: Tenant, group: str, tmp_path: Path
) -> None:
    answer = upload(api, f"/email/import/?_id={group}", PEOPLE + b"Eve,nobody\n", action="replace", name_column="NAME")
    job = answer.expect(202).json
    assert list(job)[-3:] == ["created_on", "modified_on", "job"]
    assert (job["status"], job["kind"], job["contact_group_id"]) == ("waiting", "replace", {"$oid": group})
    assert job["job"] == {"dry_run": False, "file_bytes": len(PEOPLE) + 11, "read_bytes": 0}
    assert contacts(api, group) == []
    other.api.get("/email/import/", _id=answer.id).expect(404)
    run_jobs(tmp_path)
    told = api.get("/email/import/", _id=answer.id).expect(200).json
    assert (told["status"], told["accepted_rows"], told["rejected_rows"]) == ("done", 2, 1)
    assert [row["value"] for row in told["rejected"]] == ["nobody"]
    assert contacts(api, group) == [("Zoë", "zoe@example.com"), ("Bob", "bob@example.com")]


def test_a_job_makes_the_group_of_its_tag_but_not_on_a_dry_run(api: Program, tmp_path: Path) -> None:
    dry = upload(api, "/email/import/", PEOPLE, tag="New", action="update", dry_run="true").expect(202).json
    assert dry["contact_group_id"] is None
    run_jobs(tmp_path)
    assert api.get("/email/contact/").json == []
    upload(api, "/email/import/", PEOPLE, tag="New", action="update").expect(202)
    run_jobs(tmp_path)
    [made] = api.get("/email/contact/").json
    assert made["tag"] == "New" and len(made["contacts"]) == 2


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"tag": "New"}, "action"),
        ({"tag": "New", "action": "merge"}, "action"),
        ({"action": "update"}, "tag"),
        ({"tag": "New", "action": "delete"}, "tag"),
        ({"tag": "New", "action": "update", "email_column": "Mail"}, "email_column"),
        ({"tag": "New", "action": "update", "email_index": 1, "email_column": "email"}, "email_column"),
        ({"tag": "New", "action": "update", "email_index": 9}, "email_index"),
        ({"tag": "New", "action": "update", "email_index": -1}, "email_index"),
        ({"tag": "New", "action": "update", "dry_run": "perhaps"}, "dry_run"),
    ],
)
def test_a_job_that_is_wrong_names_the_field_and_leaves_nothing(
    api: Program, fields: dict[str, Any], field: str
) -> None:
    assert list(upload(api, "/email/import/", PEOPLE, **fields).expect(400).json) == [field]
    assert not Import.objects.exists() and api.get("/email/contact/").json == []


def test_a_job_for_another_clients_group_is_not_found(api: Program, other: Tenant) -> None:
    theirs = other.api.post("/email/contact/", {"tag": "Theirs"}).id
    upload(api, f"/email/import/?_id={theirs}", PEOPLE, action="replace").expect(404)
    upload(api, "/email/import/", None, action="replace", tag="New").expect(400)
