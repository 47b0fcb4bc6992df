"""What stands between Sendmill and a mail server, and spoils it: a TCP proxy on a port of its own."""

import asyncio
import socket
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Literal

from tests.end_to_end.ports import free_port

Spoil = Literal["nothing", "busy", "silent", "byte by byte", "one packet", "one byte a second", "cut in content"]


class Wire:
    """Passes connections on to the mail server at `port`, and spoils them as `spoil` says at that moment:

    "busy": 421 and the end. "silent": no greeting. "byte by byte": each byte of a reply in a packet of its own. "one
    packet": replies wait for each other. "one byte a second": takes no more than that of what is sent. "cut in
    content": the connection is lost in the middle of a message.
    """

    def __init__(self, port: int, spoil: Spoil) -> None:
        self.port = free_port()
        self.url = f"smtp://127.0.0.1:{self.port}"
        self.spoil: Spoil = spoil
        #: Connections that were accepted.
        self.connections = 0
        self._to = port

    def __enter__(self) -> "Wire":
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), name="wire", daemon=True)
        self._thread.start()
        started.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    async def _serve(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        listener = socket.create_server(("127.0.0.1", self.port))
        if self.spoil == "one byte a second":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the kernel's least, some 2 KB
        server = await asyncio.start_server(self._pass_on, sock=listener, limit=1024)
        started.set()
        await self._stopping.wait()
        server.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        spoil = self.spoil
        if spoil == "busy":
            writer.write(b"421 4.7.0 too busy\r\n")
            await writer.drain()
        elif spoil == "silent":
            await reader.read(1)
        else:
            try:
                server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._to)
            except OSError:
                writer.close()
                return
            await _either(self._commands(reader, server_writer, spoil), self._replies(server_reader, writer, spoil))
            server_writer.transport.abort()
            if spoil == "cut in content":
                writer.transport.abort()
        writer.close()

    async def _commands(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, spoil: Spoil) -> None:
        # A first message's envelope fits into this, and its content doesn't.
        left = 600 if spoil == "cut in content" else None
        while data := await reader.read(1 if spoil == "one byte a second" else 65536):
            if left is not None:
                data, left = data[:left], left - len(data)
            writer.write(data)
            await writer.drain()
            if spoil == "one byte a second":
                await asyncio.sleep(1)
            if left is not None and left <= 0:
                return

    async def _replies(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, spoil: Spoil) -> None:
        while data := await reader.read(65536):
            if spoil == "one packet":
                await asyncio.sleep(0.01)
                data += await _what_is_there(reader)
            pieces = [bytes([byte]) for byte in data] if spoil == "byte by byte" else [data]
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                if len(pieces) > 1:
                    await asyncio.sleep(0)


async def _what_is_there(reader: asyncio.StreamReader) -> bytes:
    try:
        return await asyncio.wait_for(reader.read(65536), 0.001)
    except TimeoutError:
        return b""


async def _either(*pumps: Coroutine[Any, Any, None]) -> None:
    """Until one of them has ended, however."""
    tasks = [asyncio.create_task(pump) for pump in pumps]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
