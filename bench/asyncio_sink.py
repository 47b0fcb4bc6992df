"""An SMTP server that takes everything: for what Postfix's smtp-sink can't do, slow replies and STARTTLS.

    python -m bench.asyncio_sink PORT [--delay SECONDS] [--certificate FILE --key FILE]

Each reply leaves `delay` seconds after the command that it answers, or after the reply before, whichever is later: as a
server that takes so long for every command.
"""

import argparse
import asyncio
import ssl
from typing import cast

import uvloop

CLOSING = b"221 2.0.0 Bye\r\n"


class Sink(asyncio.Protocol):
    """One session."""

    def __init__(self, delay: float, tls: ssl.SSLContext | None) -> None:
        self._delay = delay
        self._tls = tls
        self._is_secured = False
        self._in_content = False
        self._unread = b""
        self._last_reply = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own are no subclass
        if not self._is_secured:
            self._transport.write(b"220 sink.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        data = self._unread + data
        while data:
            if self._in_content:
                _, dot, rest = data.partition(b"\r\n.\r\n")
                if not dot:
                    data = data[-4:]
                    break
                self._in_content = False
                self._reply(b"250 2.0.0 Ok\r\n")
                data = rest
                continue
            line, end, data = data.partition(b"\r\n")
            if not end:
                data = line
                break
            self._answer(line[:4].upper())
        self._unread = data

    def _answer(self, command: bytes) -> None:
        if command == b"EHLO":
            offered = b"250-PIPELINING\r\n"
            if self._tls is not None and not self._is_secured:
                offered += b"250-STARTTLS\r\n"
            self._reply(b"250-sink.example\r\n" + offered + b"250 SMTPUTF8\r\n")
        elif command == b"STAR":
            assert self._transport is not None
            self._transport.write(b"220 2.0.0 Go ahead\r\n")
            self._upgrade = asyncio.get_running_loop().create_task(self._start_tls())
        elif command == b"DATA":
            self._in_content = True
            self._reply(b"354 Go ahead\r\n")
        elif command == b"QUIT":
            self._reply(CLOSING)
        else:
            self._reply(b"250 2.1.0 Ok\r\n")

    async def _start_tls(self) -> None:
        assert self._transport is not None
        assert self._tls is not None
        self._is_secured = True
        secured = await asyncio.get_running_loop().start_tls(self._transport, self, self._tls, server_side=True)
        self._transport = secured

    def _reply(self, reply: bytes) -> None:
        if not self._delay:
            self._write(reply)
            return
        loop = asyncio.get_running_loop()
        self._last_reply = max(self._last_reply, loop.time()) + self._delay
        loop.call_at(self._last_reply, self._write, reply)

    def _write(self, reply: bytes) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.write(reply)
            if reply is CLOSING:
                self._transport.close()


async def serve(port: int, delay: float, tls: ssl.SSLContext | None) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(lambda: Sink(delay, tls), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    options = parser.parse_args()
    tls = None
    if options.certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(options.certificate, options.key)
    uvloop.run(serve(options.port, options.delay, tls))


if __name__ == "__main__":
    main()
