"""What an end-to-end test gets: a mail server, a Sendmill that sends to it, and its log if the test fails."""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.server import Server
from tests.end_to_end.smtp_sink import SmtpSink

_servers = pytest.StashKey[list[Server]]()


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    """A mail server, listening."""
    with SmtpSink() as running:
        yield running


@pytest.fixture
def new_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Makes servers, not started: `new_server(sink.url, SENDMILL_WORKERS="1").start()`. They end with the test."""
    made: list[Server] = request.node.stash.setdefault(_servers, [])

    def make(
        smtp_url: str = "outbox:", *, is_migrated: bool = True, beside: Server | None = None, **settings: str
    ) -> Server:
        folder = tmp_path / f"server-{len(made)}"
        folder.mkdir()
        made.append(Server(folder, smtp_url, is_migrated=is_migrated, beside=beside, **settings))
        return made[-1]

    yield make
    for server in reversed(made):
        server.discard()


@pytest.fixture
def server(new_server: Callable[..., Server], sink: SmtpSink) -> Server:
    """A running server that sends to the sink."""
    return new_server(sink.url).start()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, None, None]:
    """Shows the log of each server a failed test had."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for server in item.stash.get(_servers, []):
            report.sections.append((f"log of the server on port {server.port}", server.log()))
