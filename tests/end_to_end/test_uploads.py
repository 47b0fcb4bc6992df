"""Uploads over real sockets: clients that go away, that send chunks, that ask first; and memory that doesn't grow."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sendmill.api.body import MOST_RECEIVED_AT_ONCE
from sendmill.commands.run import WEB_THREADS
from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.databases import same_to_either_database
from tests.end_to_end.server import Server
from tests.end_to_end.waiting import wait_for

FILE = b"name,email\r\n" + b"".join(b"P%d,p%d@example.com\r\n" % (n, n) for n in range(2000))
HEAD = (
    b'--X\r\nContent-Disposition: form-data; name="name_index"\r\n\r\n0\r\n'
    b'--X\r\nContent-Disposition: form-data; name="email_index"\r\n\r\n1\r\n'
    b'--X\r\nContent-Disposition: form-data; name="csv_file"; filename="f.csv"\r\n\r\n'
)
BODY = HEAD + FILE + b"--X--\r\n"
KEPT = [{"name": "Zoe", "email": "zoe@example.com"}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all: nothing here ends it."""
    with Server(tmp_path_factory.mktemp("uploads")) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> ApiClient:
    return server.create_client("acme")


@pytest.fixture
def path(client: ApiClient) -> str:
    """Where to replace the contacts of a group that has one, and is the only one."""
    for row in client.get("/email/contact/").json:
        client.delete("/email/contact/", _id=row["$_id"]["$oid"]).expect(204)
    group = client.post("/email/contact/", {"tag": "People"}).json["$_id"]["$oid"]
    path = f"/email/contact/bulk/replace/?_id={group}"
    files = {"csv_file": ("f.csv", b"name,email\nZoe,zoe@example.com\n")}
    client.post_multipart(path, {"name_index": "0", "email_index": "1"}, files).expect(200)
    return path


@pytest.fixture
def wire(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        yield connection


def contacts(client: ApiClient) -> object:
    (group,) = client.get("/email/contact/").json
    return group["contacts"]


def request_head(client: ApiClient, path: str, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Token {client.token}"]
    return "\r\n".join([*lines, "Content-Type: multipart/form-data; boundary=X", *headers, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def peak_kilobytes(server: Server) -> dict[int, int]:
    """The largest resident size that each of its processes has had."""
    status = {process.pid: Path(f"/proc/{process.pid}/status").read_text() for process in server.processes()}
    return {pid: int(text.partition("VmHWM:")[2].split()[0]) for pid, text in status.items()}


def status_of_answer(wire: socket.socket) -> int:
    return int(wire.makefile("rb").readline().split()[1])


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_client_that_goes_away_in_the_middle_changes_nothing(
    server: Server, client: ApiClient, path: str, wire: socket.socket, is_chunked: bool
) -> None:
    """Granian ends the input of such a request as if it were whole."""
    before = server.log().count("Bad Request: /email/contact/bulk/replace/")
    part = BODY[: len(BODY) // 2]
    if is_chunked:
        wire.sendall(request_head(client, path, "Transfer-Encoding: chunked") + chunk(part))
    else:
        wire.sendall(request_head(client, path, f"Content-Length: {len(BODY)}") + part)
    wire.close()

    wait_for(lambda: server.log().count("Bad Request: /email/contact/bulk/replace/") > before, what="the refusal")
    assert contacts(client) == KEPT


@same_to_either_database
def test_bodies_that_never_end_do_not_hold_up_what_has_none(
    server: Server, client: ApiClient, path: str, wire: socket.socket
) -> None:
    """Nobody needs a token to begin to log in: as many as there are threads held every other request."""
    lines = ("POST /auth/api-token-auth/ HTTP/1.1", "Host: x", "Content-Type: application/json", "Content-Length: 9")
    beginning = "\r\n".join([*lines, "", "{"]).encode()
    with ExitStack() as stack:
        for _ in range(WEB_THREADS):
            stalled = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
            stalled.sendall(beginning)
        wait_for(lambda: server.log().count("api.unavailable") >= WEB_THREADS - MOST_RECEIVED_AT_ONCE, what="refusals")
        assert contacts(client) == KEPT
        wire.sendall(request_head(client, path, f"Content-Length: {len(BODY)}") + BODY)
        assert status_of_answer(wire) == 503
    wait_for(lambda: client.post("/email/contact/", {"tag": "Others"}).status == 201, what="room for others")


def test_an_upload_in_chunks(client: ApiClient, path: str, wire: socket.socket) -> None:
    pieces = [BODY[start : start + 10_000] for start in range(0, len(BODY), 10_000)]
    wire.sendall(request_head(client, path, "Transfer-Encoding: chunked"))
    wire.sendall(b"".join(chunk(piece) for piece in pieces) + chunk(b""))

    assert status_of_answer(wire) == 200
    assert len(contacts(client)) == 2000


def test_who_asks_first_need_not_send_what_is_too_large(client: ApiClient, path: str, wire: socket.socket) -> None:
    wire.sendall(request_head(client, path, "Expect: 100-continue", f"Content-Length: {2**40}"))

    assert status_of_answer(wire) == 413


def test_who_asks_first_is_told_to_go_on(client: ApiClient, path: str, wire: socket.socket) -> None:
    wire.sendall(request_head(client, path, "Expect: 100-continue", f"Content-Length: {len(BODY)}"))
    assert status_of_answer(wire) == 100

    wire.sendall(BODY)
    answer = wire.makefile("rb")
    lines = iter(answer.readline, b"")
    assert any(line.startswith(b"HTTP/1.1 200") for line in lines)
    assert len(contacts(client)) == 2000


def test_a_large_upload_takes_no_memory_and_leaves_no_file(
    server: Server, client: ApiClient, path: str, wire: socket.socket
) -> None:
    client.post_multipart(path, {"name_index": "0", "email_index": "1"}, {"csv_file": ("f", FILE)}).expect(200)
    before = peak_kilobytes(server)
    size = 200_000_000
    wire.sendall(request_head(client, path, f"Content-Length: {len(HEAD) + size + 7}") + HEAD)
    block = b"\0" * 1_000_000
    for _ in range(size // len(block)):
        wire.sendall(block)
    wire.sendall(b"\r\n--X--")

    assert status_of_answer(wire) == 400
    after = peak_kilobytes(server)
    assert max(after[pid] - before.get(pid, 0) for pid in after) < 20_000
    assert list((server.data / "uploads").iterdir()) == []


@pytest.mark.parametrize(
    "content_type", ["application/json; charset*=nobody''%ff", "multipart/form-data; boundary=\xff"]
)
def test_a_content_type_that_cannot_be_read(client: ApiClient, wire: socket.socket, content_type: str) -> None:
    head = f"POST /email/contact/ HTTP/1.1\r\nHost: x\r\nAuthorization: Token {client.token}\r\nContent-Length: 2\r\n"
    wire.sendall(f"{head}Connection: close\r\nContent-Type: {content_type}\r\n\r\n{{}}".encode("latin-1"))

    head_of_answer, _, body = wire.makefile("rb").read().partition(b"\r\n\r\n")
    assert head_of_answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 415"))
    assert b"content-type: application/json" in head_of_answer.lower()
    assert "detail" in json.loads(body)
