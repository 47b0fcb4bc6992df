"""A scripted SMTP server on loopback, and a pool whose outcomes can be waited for."""

import asyncio
import functools
import inspect
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest
import uvloop

from sendmill.delivery.relay_pool import RelayPool
from sendmill.delivery.relays import parse_relays
from sendmill.delivery.transmission import Outcome, TimeLimits, Transmission

PATIENCE = 10.0
"""How long any test waits for what must happen."""

QUICK = TimeLimits(
    connect=2.0, tls_handshake=2.0, greeting=0.3, command=0.4, mail=0.4, rcpt=0.4, data_init=0.4, data_block=0.4,
    final_dot=0.4, quit=0.3, idle=0.3, pause_first=60.0,
)  # fmt: skip
PATIENT = TimeLimits(pause_first=60.0)
"""The real limits, for tests in which none may pass. A paused relay stays paused."""
SHORT_PAUSES = TimeLimits(pause_first=0.04, pause_longest=0.3)
"""For tests that go on after a pause. Whether it is paused at a given moment is not to be asked there."""

OK = b"250 2.0.0 Ok\r\n"
Reply = bytes | None

BOTH = pytest.mark.parametrize("extensions", [(b"PIPELINING",), ()], ids=["pipelining", "lock-step"])
"""A test that must hold with and without pipelining."""


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs an async test in uvloop, as the worker does; it fails if something was left without being awaited for."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        problems: list[dict[str, Any]] = []

        async def guarded() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
            async with asyncio.timeout(3 * PATIENCE):
                await test(*args, **kwargs)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(guarded())
        assert not problems, problems

    run.__signature__ = inspect.signature(test)  # type: ignore[attr-defined]  # pytest's fixtures go by it
    return run


async def until(condition: Callable[[], Any], what: str = "condition") -> None:
    """Waits until `condition` holds."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(f"{what} did not come true: {inspect.getsource(condition).strip()}") from None


class Peer:
    """A connection as the server sees it."""

    def __init__(self, server: "ScriptedServer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer
        self.messages = 0
        self.last_line = b""

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def line(self) -> bytes:
        """The next command without its line end; b"" at the end of the connection."""
        line = await self.reader.readline()
        self.last_line = line.rstrip(b"\r\n")
        self.server.lines.append(self.last_line)
        return self.last_line

    async def content(self) -> bytes:
        """What comes after DATA, as it was on the wire, without the final dot's line."""
        lines = []
        while (line := await self.reader.readline()) not in (b".\r\n", b""):
            lines.append(line)
        if line == b"":
            raise ConnectionResetError
        return b"".join(lines)

    def drop(self) -> None:
        self.writer.transport.abort()

    async def greet(self, *extensions: bytes) -> None:
        """Greeting and EHLO."""
        await self.send(b"220 test ESMTP\r\n")
        hello = await self.line()
        if not hello:
            raise ConnectionResetError
        assert hello.startswith(b"EHLO ")
        await self.send_ehlo(*extensions)

    async def send_ehlo(self, *extensions: bytes) -> None:
        lines = [b"test", *extensions]
        await self.send(b"".join(b"250-%b\r\n" % line for line in lines[:-1]) + b"250 %b\r\n" % lines[-1])

    async def serve(
        self,
        on_command: Callable[[bytes], Reply] = lambda line: None,
        on_content: Callable[[bytes], Reply] = lambda content: None,
        send: Callable[[bytes], Awaitable[None]] | None = None,
    ) -> None:
        """Answers transactions until QUIT. A callback's reply takes the place of the usual one; b"" is no reply."""
        send = send or self.send
        sender = recipient = b""
        while line := await self.line():
            verb = line[:4].upper()
            reply = on_command(line)
            if reply is None:
                if verb == b"DATA":
                    reply = b"354 go on\r\n"
                elif verb == b"QUIT":
                    reply = b"221 bye\r\n"
                else:
                    reply = OK
            if verb == b"MAIL":
                sender = line
            elif verb == b"RCPT":
                recipient = line
            await send(reply)
            if verb == b"QUIT":
                return
            if verb == b"DATA" and reply.startswith(b"354"):
                content = await self.content()
                answer = on_content(content)
                if answer is None:
                    self.messages += 1
                    self.server.messages.append((sender, recipient, content))
                    answer = OK
                await send(answer)


Script = Callable[[Peer], Awaitable[None]]


def replies(**by_verb: bytes) -> Callable[[bytes], Reply]:
    """on_command for `serve`: these replies to these verbs, the usual ones to others."""
    return lambda line: by_verb.get(line[:4].decode().lower())


class ScriptedServer:
    """Plays a script with everyone who connects. `lines` is every command that came, `messages` every one accepted."""

    def __init__(self, script: Script, receive_buffer: int | None = None, port: int = 0) -> None:
        self._script = script
        self._receive_buffer = receive_buffer
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = port
        self.connections = 0
        self.open = 0
        self.lines: list[bytes] = []
        self.messages: list[tuple[bytes, bytes, bytes]] = []
        self.failures: list[AssertionError] = []

    async def __aenter__(self) -> "ScriptedServer":
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self._receive_buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        listener.bind(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self._server = await asyncio.start_server(self._accept, sock=listener, limit=2**20)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for failure in self.failures:
            raise failure

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        try:
            await self._script(Peer(self, reader, writer))
        except (ConnectionError, asyncio.CancelledError, EOFError):
            pass
        except AssertionError as failure:
            self.failures.append(failure)
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.transport.abort()


def serving(*extensions: bytes, **callbacks: Any) -> Script:
    """A script: an orderly server with these extensions."""

    async def script(peer: Peer) -> None:
        await peer.greet(*extensions)
        await peer.serve(**callbacks)

    return script


def waiting_for(gate: asyncio.Event) -> Script:
    """A script: a server that answers no content before the gate is open."""

    async def script(peer: Peer) -> None:
        await peer.greet(b"PIPELINING")
        await peer.serve(send=lambda data: send(peer, data))

    async def send(peer: Peer, data: bytes) -> None:
        if data == OK and peer.last_line == b"DATA":
            await gate.wait()
        await peer.send(data)

    return script


def message(delivery_id: int = 1, **fields: Any) -> Transmission:
    values = {
        "envelope_sender": b"news@example.com",
        "recipient": b"user%d@example.org" % delivery_id,
        "content": b"Subject: %d\r\n\r\nHello\r\n" % delivery_id,
    }
    return Transmission(delivery_id, **{**values, **fields})


class Sending:
    """A pool, its outcomes and the deliveries whose last bytes it asked for."""

    def __init__(self, *servers: "ScriptedServer | int", query: str = "tls=none&connections=1", **options: Any) -> None:
        ports = [server if isinstance(server, int) else server.port for server in servers]
        self.outcomes: list[Outcome] = []
        self.asked: list[int] = []
        self.allowed = True
        self.error: Exception | None = None
        options.setdefault("limits", QUICK)
        url = options.pop("url", None) or ",".join(f"smtp://127.0.0.1:{port}?{query}" for port in ports)
        self.pool = RelayPool(
            parse_relays(url), on_last_bytes=self._on_last_bytes, on_outcome=self.outcomes.append, **options
        )

    def _on_last_bytes(self, delivery_id: int) -> bool:
        self.asked.append(delivery_id)
        if self.error is not None:
            raise self.error
        return self.allowed

    async def __aenter__(self) -> "Sending":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pool.close(2.0)
        assert all(health.in_hand == 0 for health in self.pool.health())
        ids = [outcome.delivery_id for outcome in self.outcomes]
        assert len(ids) == self.submitted, "not exactly one outcome for each transmission"

    submitted = 0

    def submit(self, *transmissions: Transmission) -> None:
        for transmission in transmissions:
            self.submitted += 1
            self.pool.submit(transmission)

    async def outcome(self, *transmissions: Transmission) -> Outcome:
        """Submits, and returns the last outcome once all have one."""
        self.submit(*transmissions)
        await self.all_concluded()
        return self.outcomes[-1]

    async def all_concluded(self) -> None:
        await until(lambda: len(self.outcomes) >= self.submitted, "an outcome for each transmission")

    def of(self, delivery_id: int) -> Outcome:
        (outcome,) = [outcome for outcome in self.outcomes if outcome.delivery_id == delivery_id]
        return outcome

    def kinds(self) -> list[tuple[int, str]]:
        return sorted((outcome.delivery_id, outcome.kind.name) for outcome in self.outcomes)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stuffed(content: bytes) -> bytes:
    """Dot-stuffing as RFC 5321 4.5.2 says it, line by line."""
    return b"".join(b"." + line if line.startswith(b".") else line for line in content.splitlines(keepends=True))


def maildir_files(folder: Path) -> Sequence[Path]:
    return sorted((folder / "new").iterdir()) if (folder / "new").exists() else []
