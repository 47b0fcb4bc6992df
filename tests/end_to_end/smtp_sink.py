"""A real SMTP server that keeps what it is given, answers as a test tells it, and can be stopped and started again."""

import asyncio
import random
import ssl
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, TypeVar

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.end_to_end.ports import free_port
from tests.end_to_end.sink_records import Conversation, Interruption, ReceivedMessage, Refusal
from tests.end_to_end.waiting import wait_for

Value = TypeVar("Value")

#: As a reply: the connection is cut instead, and the client never learns what became of its command.
CUT = "CUT"


# It never ends a connection before its client does, of which the longest time limit is ten minutes.
_PATIENCE_SECONDS = 3_600.0

# A final reply so young, with nothing from the client since, may not have been read.
_READ_WITHIN_SECONDS = 1.0


class _Protocol(SMTP):
    """aiosmtpd's protocol, which tells the sink of its connections and of transactions that were cut off."""

    def __init__(self, sink: "SmtpSink", **options: Any) -> None:
        super().__init__(sink, hostname="sink.test", **options)
        self._sink = sink
        self._unread_reply_since = 0.0
        self._answering: int | None = None
        self.connection = 0
        self.client_address, self.client_port = "", 0
        #: Bytes of replies written so far, and where in them the final reply to each message ends.
        self.said = 0
        self.answered: dict[int, int] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.connection = self._sink.connection_opened(self)
        self.client_address, self.client_port = transport.get_extra_info("peername")[:2]
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._unread_reply_since = 0.0
        super().data_received(data)

    def final_reply_is_written(self, number: int | None = None) -> None:
        """Of the message with this number; None if it was not taken."""
        self._unread_reply_since = time.monotonic()
        self._answering = number

    async def push(self, status: str | bytes) -> None:
        self.said += len(status.encode() if isinstance(status, str) else status) + len(b"\r\n")
        if self._answering is not None:
            self.answered[self._answering] = self.said
            self._answering = None
        await super().push(status)

    @property
    def is_in_transaction(self) -> bool:
        """From MAIL until the final reply, which is the client's only once it has read it."""
        is_open = self.envelope is not None and self.envelope.mail_from is not None
        return is_open or time.monotonic() - self._unread_reply_since < _READ_WITHIN_SECONDS

    def connection_lost(self, error: Exception | None) -> None:
        self._sink.connection_closed(self)
        super().connection_lost(error)

    def cut(self) -> None:
        assert isinstance(self.transport, asyncio.WriteTransport)
        self.transport.abort()


class SmtpSink:
    """An SMTP server on a free port of `address`, running in a thread from `start()` to `stop()`.

    Replies are scripted by stage: "MAIL", "RCPT" or "DATA" (after the final dot). What is not scripted is accepted.
    `pipelining` and `smtputf8` say whether these extensions are offered, and STARTTLS is if there is a `tls_context`.
    """

    def __init__(
        self,
        *,
        pipelining: bool = True,
        smtputf8: bool = True,
        tls_context: ssl.SSLContext | None = None,
        address: str = "127.0.0.1",
    ) -> None:
        self.address = address
        self.port = free_port()
        self._tls_context = tls_context
        self._pipelining = pipelining
        self._smtputf8 = smtputf8
        #: Seconds between a message's final dot and the reply to it.
        self.delay_seconds = 0.0
        #: And up to so many more, at random.
        self.jitter_seconds = 0.0
        self._lock = threading.Lock()
        self._messages: list[ReceivedMessage] = []
        self._refusals: list[Refusal] = []
        self._interruptions: list[Interruption] = []
        self._replies: dict[tuple[str, str], deque[str]] = defaultdict(deque)
        self._standing_replies: dict[tuple[str, str], str] = {}
        self._taken_before_hold: int | None = None
        self._connections_ever = 0
        self._most_open = 0
        self._open: set[_Protocol] = set()
        self._unanswered: Counter[str] = Counter()
        self._most_unanswered: Counter[str] = Counter()
        self._thread: threading.Thread | None = None

    # What a test asks ------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """For SENDMILL_SMTP_URL."""
        return f"smtp://{self.address}:{self.port}"

    @property
    def messages(self) -> list[ReceivedMessage]:
        """Everything taken so far, in order of arrival, also from before a stop."""
        with self._lock:
            return list(self._messages)

    @property
    def refusals(self) -> list[Refusal]:
        """Everything refused so far, in order."""
        with self._lock:
            return list(self._refusals)

    @property
    def interruptions(self) -> list[Interruption]:
        """The connections that were lost in the middle of a transaction: with each, one message may be in doubt."""
        with self._lock:
            return list(self._interruptions)

    @property
    def recipients(self) -> list[str]:
        """Who has got a message, once per message, in order of arrival."""
        return [recipient for message in self.messages for recipient in message.recipients]

    @property
    def connections_ever(self) -> int:
        with self._lock:
            return self._connections_ever

    @property
    def most_open(self) -> int:
        """The most connections that were open at once."""
        with self._lock:
            return self._most_open

    def most_unanswered(self, domain: str) -> int:
        """The most messages for recipients of a domain that waited for their final reply at once."""
        with self._lock:
            return self._most_unanswered[domain]

    def standing_still(self, look: Callable[[list[Conversation]], Value]) -> Value:
        """What `look` finds, given the open connections. The sink says nothing meanwhile: it looks in its thread."""

        async def looked() -> Value:
            return look([Conversation(p.connection, p.client_port, p.said, dict(p.answered)) for p in self._open])

        return asyncio.run_coroutine_threadsafe(looked(), self._loop).result(30)

    def messages_to(self, recipient: str) -> list[ReceivedMessage]:
        return [message for message in self.messages if recipient in message.recipients]

    def wait_for_messages(self, count: int, timeout: float = 30.0) -> list[ReceivedMessage]:
        """At least `count` messages, as soon as they are there."""
        wait_for(
            lambda: len(self.messages) >= count, timeout, lambda: f"{count} messages; the sink has {len(self.messages)}"
        )
        return self.messages

    # What a test orders ----------------------------------------------------------------------------------------------

    def reply_to(self, recipient: str, replies: Iterable[str], stage: str = "RCPT") -> None:
        """The next replies to this recipient, one each time it comes up, such as "451 4.7.1 later" or CUT."""
        with self._lock:
            self._replies[stage, recipient].extend(replies)

    def always_reply(self, reply: str | None, recipient: str = "", stage: str = "MAIL") -> None:
        """The reply to this recipient (for MAIL: to everyone) until it is taken back with None."""
        with self._lock:
            if reply is None:
                self._standing_replies.pop((stage, recipient), None)
            else:
                self._standing_replies[stage, recipient] = reply

    def hold_after(self, count: int) -> None:
        """Takes messages until there are `count`; later ones arrive, but their reply waits for `release()`.

        Without guessing at times this keeps a campaign in its middle: no connection gets beyond one more message.
        """
        with self._lock:
            self._taken_before_hold = count

    def release(self) -> None:
        with self._lock:
            self._taken_before_hold = None

    # Life ------------------------------------------------------------------------------------------------------------

    def start(self) -> "SmtpSink":
        """Listens on `port`, also after a stop."""
        assert self._thread is None, "the sink is running"
        started = threading.Event()
        failure: list[OSError] = []

        def serve() -> None:
            try:
                asyncio.run(self._serve(started))
            except OSError as error:
                failure.append(error)
                started.set()

        self._thread = threading.Thread(target=serve, name="smtp-sink", daemon=True)
        self._thread.start()
        started.wait()
        if failure:
            self._thread = None
            raise failure[0]
        return self

    def stop(self) -> None:
        """Cuts every connection and gives up the port: clients are refused until `start()`."""
        if self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._thread = None

    def __enter__(self) -> "SmtpSink":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _serve(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server = await self._loop.create_server(
            lambda: _Protocol(
                self,
                enable_SMTPUTF8=self._smtputf8,
                loop=self._loop,
                tls_context=self._tls_context,
                timeout=_PATIENCE_SECONDS,
            ),
            self.address,
            self.port,
        )
        started.set()
        await self._stopping.wait()
        server.close()
        for protocol in list(self._open):
            protocol.cut()
        while self._open:
            await asyncio.sleep(0)

    def connection_opened(self, protocol: _Protocol) -> int:
        with self._lock:
            self._connections_ever += 1
            self._open.add(protocol)
            self._most_open = max(self._most_open, len(self._open))
            return self._connections_ever

    def connection_closed(self, protocol: _Protocol) -> None:
        with self._lock:
            if protocol in self._open and protocol.is_in_transaction:
                self._interruptions.append(Interruption(protocol.connection, time.monotonic()))
            self._open.discard(protocol)

    # aiosmtpd's hooks ------------------------------------------------------------------------------------------------

    async def handle_EHLO(
        self, server: _Protocol, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        if self._pipelining:
            # aiosmtpd reads commands from a buffer, as RFC 2920 wants a server to; it only doesn't say so.
            responses.insert(1, "250-PIPELINING")
        return responses

    async def handle_MAIL(
        self, server: _Protocol, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if reply := self._scripted("MAIL", [""]):
            return self._answer(server, reply)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, server: _Protocol, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if reply := self._scripted("RCPT", [address]):
            return self._answer(server, reply)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: _Protocol, session: Session, envelope: Envelope) -> str:
        reply = self._scripted("DATA", envelope.rcpt_tos)
        if reply and reply != CUT:
            return self._answer(server, reply)
        # Taken before anything is said about it: a client that dies now has delivered it all the same.
        number = self._take(server, envelope)
        while self._is_held(number):
            await asyncio.sleep(0.01)
        domain = envelope.rcpt_tos[0].rpartition("@")[2]
        with self._lock:
            self._unanswered[domain] += 1
            self._most_unanswered[domain] = max(self._most_unanswered[domain], self._unanswered[domain])
        if self.delay_seconds or self.jitter_seconds:
            await asyncio.sleep(self.delay_seconds + random.random() * self.jitter_seconds)
        with self._lock:
            self._unanswered[domain] -= 1
        if reply:
            return self._answer(server, CUT)
        server.final_reply_is_written(number)
        return f"250 2.0.0 OK: queued as {number}"

    def _take(self, server: _Protocol, envelope: Envelope) -> int:
        assert envelope.original_content is not None and envelope.mail_from is not None
        message = ReceivedMessage(
            envelope_sender=envelope.mail_from,
            recipients=tuple(envelope.rcpt_tos),
            content=envelope.original_content,
            arrived=time.monotonic(),
            connection=server.connection,
            client_address=server.client_address,
        )
        with self._lock:
            self._messages.append(message)
            return len(self._messages)

    def _is_held(self, number: int) -> bool:
        with self._lock:
            return self._taken_before_hold is not None and number > self._taken_before_hold

    def _scripted(self, stage: str, recipients: list[str]) -> str | None:
        """The reply a test wants here, or None for the usual one, which is what a scripted 2xx asks for."""
        with self._lock:
            for recipient in recipients:
                waiting = self._replies.get((stage, recipient))
                reply = waiting.popleft() if waiting else self._standing_replies.get((stage, recipient))
                if reply and not reply.startswith("2"):
                    self._refusals.append(Refusal(stage, recipient, reply, time.monotonic()))
                    return reply
        return None

    def _answer(self, server: _Protocol, reply: str) -> str:
        server.final_reply_is_written()
        if reply == CUT:
            server.cut()
        elif reply.startswith("421"):
            # RFC 5321 3.8: after a 421 the server closes the channel.
            self._loop.call_soon(server.transport.close)
        return reply
