"""One open SMTP session that sends message after message (RFC 5321, pipelined by RFC 2920).

In the steady state there is one write and one round trip per message: a write holds the content of one message, its
final dot, and MAIL, RCPT and DATA of the next; the replies to all four come back together. RFC 2920 3.1 allows exactly
this group: DATA must be the last command of one, content may be the first. So a connection has at most two messages in
hand: `_sent`, whose content has left and whose final reply is awaited, and `_envelope`, which is at MAIL, RCPT, DATA
or, with long content, between the 354 and its last bytes.

Replies are matched to what was sent by order alone. Anything that breaks the order (a reply too many, one that can't be
the answer to what was asked) ends the connection, before a reply could be taken for another message's.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sendmill.delivery import smtp
from sendmill.delivery.smtp_reply import ReplyParser, all_accepted, readable
from sendmill.delivery.smtp_session import Session
from sendmill.delivery.transmission import Outcome, OutcomeKind, TimeLimits, Transmission

if TYPE_CHECKING:
    from sendmill.delivery.relay_channel import RelayChannel


@dataclass(frozen=True, slots=True)
class _Stage:
    """A reply that is awaited: to what, how long, and who handles it."""

    name: str
    limit: str
    handle: "Callable[[SmtpConnection, int, bytes], None]"


class SmtpConnection(asyncio.Protocol):
    """Sends what its channel has, one transmission behind the other, and tells it each one's outcome.

    `deadline` (loop time) is when the server has to have moved; the channel calls `time_out` after it. One clock tick
    for all connections costs nothing per message, where a timer for each reply would.
    """

    def __init__(self, channel: "RelayChannel", session: Session, limits: TimeLimits, messages: int) -> None:
        self._channel = channel
        self._transport = session.transport
        self._loop = asyncio.get_running_loop()
        self._parser = ReplyParser()
        self._awaited: deque[_Stage] = deque()
        self._sent: Transmission | None = None
        self._envelope: Transmission | None = None
        self._refusal: tuple[int, bytes] | None = None
        self._needs_reset = False
        self._outgoing: memoryview | None = None
        self._paused = False
        self._lock_step = not session.capabilities.pipelining
        self._remaining = messages
        self._limits = limits
        self.capabilities = session.capabilities
        self.retiring = False
        self.closed = False
        self.completed = 0
        self.deadline = self._loop.time() + limits.idle
        # What the kernel did not take at once pauses us, and we go on when it has taken all. Not high=0: asyncio's and
        # uvloop's TLS pause at `size >= high`, so an empty buffer would pause us for ever.
        self._transport.set_write_buffer_limits(high=1, low=0)

    # What the channel calls -----------------------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in hand and nothing is awaited."""
        return self._envelope is None and not self._awaited

    @property
    def can_take_envelope(self) -> bool:
        """Whether `wake` would put a transmission on the wire now, or behind the content that awaits its reply."""
        if self._envelope is not None or self.retiring or self.closed:
            return False
        return not self._awaited or not self._lock_step

    def wake(self) -> None:
        """The channel has a transmission for a connection that can take one."""
        commands = self._next_envelope()
        if commands:
            self._write(commands)

    def retire(self) -> None:
        """Takes nothing more, finishes what is on the wire, and says QUIT."""
        self.retiring = True
        if not self.closed and self.is_idle:
            self._quit()

    def time_out(self) -> None:
        """The deadline has passed."""
        if self._outgoing is not None or (self._paused and self._awaited):
            self._break(f"the relay did not read for {self._limits.data_block:g} s")
        elif not self._awaited:
            self.retire()
        elif self._awaited[0] is _QUIT:
            self._break(None)
        else:
            stage = self._awaited[0]
            self._break(f"no reply to {stage.name} within {getattr(self._limits, stage.limit):g} s")

    def abort(self, reason: str) -> None:
        """Ends at once. What is in hand comes back as IN_DOUBT or NOT_SENT."""
        self._break(reason, is_our_doing=True)

    # What the event loop calls --------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        is_usual = len(self._awaited) == 4 and self._awaited[0] is _FINAL and self._parser.is_between_replies
        if is_usual and (final_text := all_accepted(data)) is not None:
            self._on_all_accepted(final_text)
            return
        for code, text in self._parser.feed(data):
            if self.closed:
                return
            if code == 421:
                self._on_421(text)
            elif self._awaited:
                self._awaited.popleft().handle(self, code, text)
            else:
                self._on_unasked(code, text)
        if self.closed:
            return
        if self._parser.broken is not None:
            self._break(self._parser.broken)
            return
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed:
            is_expected = self._awaited[0] is _QUIT if self._awaited else self._envelope is None and self.completed > 0
            self._break(None if is_expected else f"connection lost: {exc}" if exc else "connection closed by the relay")

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self.closed:
            return
        if self._outgoing is not None:
            self._write_blocks()
        self._set_deadline()

    # Sending --------------------------------------------------------------------------------------------------------

    def _write(self, data: bytes | memoryview) -> None:
        self._transport.write(data)
        self._set_deadline()

    def _set_deadline(self) -> None:
        limits = self._limits
        if self._paused:
            seconds = limits.data_block
        elif self._awaited:
            seconds = getattr(limits, self._awaited[0].limit)
        else:
            seconds = limits.idle
        self.deadline = self._loop.time() + seconds

    def _next_envelope(self) -> bytes:
        """Takes the next transmission and returns its commands, or b"" if there is none to take."""
        if self.retiring:
            return b""
        transmission = self._channel.next_transmission(self)
        if transmission is None:
            return b""
        self._remaining -= 1
        if self._remaining <= 0:
            self.retiring = True
        self._envelope = transmission
        self._refusal = None
        if self._lock_step:
            if self._needs_reset:
                self._awaited.append(_RESET)
                return b"RSET\r\n"
            self._awaited.append(_MAIL)
            return smtp.mail_command(transmission, self.capabilities)
        commands = smtp.envelope_commands(transmission, self.capabilities)
        if self._needs_reset:
            self._needs_reset = False
            self._awaited.append(_RESET)
            commands = b"RSET\r\n" + commands
        self._awaited.extend((_MAIL, _RCPT, _DATA))
        return commands

    def _go_on(self) -> None:
        """Nothing is in hand: the next transmission, or idle, or QUIT."""
        if self.retiring:
            self._quit()
        else:
            self.wake()

    def _end_content(self, last_bytes: bytes | memoryview, awaited: _Stage) -> None:
        """The end of a message and, in the same write, the envelope of the next."""
        self._awaited.append(awaited)
        following = b"" if self._lock_step else self._next_envelope()
        self._write(b"".join((last_bytes, smtp.END_OF_CONTENT, following)))

    def _send_content(self, transmission: Transmission) -> None:
        content = transmission.content if transmission.is_wire_ready else smtp.wire_content(transmission.content)
        if len(content) <= smtp.WHOLE_WRITE_BYTES:
            self._send_last_bytes(transmission, content)
        else:
            self._outgoing = memoryview(content)
            self._write_blocks()

    def _write_blocks(self) -> None:
        """Writes long content as far as the kernel takes it."""
        while self._outgoing is not None and not self._paused and not self.closed:
            block = smtp.first_block(self._outgoing)
            if block is None:
                assert self._envelope is not None
                self._send_last_bytes(self._envelope, self._outgoing)
                return
            self._outgoing = self._outgoing[len(block) :]
            self._write(block)

    def _send_last_bytes(self, transmission: Transmission, last_bytes: bytes | memoryview) -> None:
        """Sends them if they may leave. If not, the connection ends: after DATA there is no other way."""
        if self._channel.may_send(transmission.delivery_id):
            self._sent, self._envelope, self._outgoing = transmission, None, None
            self._end_content(last_bytes, _FINAL)
        else:
            self._break("not sent: the hand-over was withdrawn", is_our_doing=True)

    def _quit(self) -> None:
        self.retiring = True
        self._awaited.append(_QUIT)
        self._write(b"QUIT\r\n")

    # Replies --------------------------------------------------------------------------------------------------------

    def _on_all_accepted(self, final_text: bytes) -> None:
        """What nearly always comes: 250 to the message before, 250 to MAIL and RCPT, 354 to DATA."""
        self._awaited.clear()
        sent, envelope = self._sent, self._envelope
        assert sent is not None
        assert envelope is not None
        self._sent = None
        self._conclude(sent, 250, final_text)
        if not self.closed:
            self._send_content(envelope)

    def _on_reset(self, code: int, text: bytes) -> None:
        self._needs_reset = False
        if code // 100 != 2:
            self._break(f"RSET was answered with {code} {readable(text)}")
        elif self._lock_step and self._envelope is not None:
            self._awaited.append(_MAIL)
            self._write(smtp.mail_command(self._envelope, self.capabilities))

    def _on_mail(self, code: int, text: bytes) -> None:
        if code // 100 != 2:
            self._refuse(code, text)
        if self._lock_step and self._envelope is not None:
            self._take_step(_RCPT, smtp.rcpt_command(self._envelope))

    def _on_rcpt(self, code: int, text: bytes) -> None:
        if code // 100 != 2:
            self._refuse(code, text)
        if self._lock_step and self._envelope is not None:
            self._take_step(_DATA, b"DATA\r\n")

    def _take_step(self, awaited: _Stage, command: bytes) -> None:
        """Without pipelining: the next command, unless the one before was refused."""
        if self._refusal is None:
            self._awaited.append(awaited)
            self._write(command)
        else:
            self._needs_reset = True
            self._conclude_refused(self._go_on)

    def _refuse(self, code: int, text: bytes) -> None:
        """MAIL, RCPT or DATA was not accepted. The first refusal is the one that counts."""
        if code == 530:
            # "Must issue a STARTTLS command first" (RFC 3207 4), "Authentication required" (RFC 4954 6): it is said
            # to us, not to this message; taken for a 5xx it would fail a whole campaign for a missing setting.
            reply = f"{code} {readable(text)}"
            self._channel.session_refused(reply)
            self._break(reply, is_our_doing=True)
        elif code // 100 == 3:
            self._break(f"the envelope was answered with {code}")
        elif self._refusal is None:
            self._refusal = code, text

    def _on_data(self, code: int, text: bytes) -> None:
        assert self._envelope is not None
        if code == 354 and self._refusal is None:
            self._send_content(self._envelope)
        elif code == 354:
            # The server wants content though nobody is to get it. A single dot ends that (RFC 2920 3.1); whatever the
            # answer to it is, no mail comes of it, and the server is back at the start.
            self._conclude_refused(lambda: self._end_content(b"", _LONE_DOT))
        elif code // 100 == 2:
            self._break(f"DATA was answered with {code}")
        else:
            self._refuse(code, text)
            if not self.closed:
                self._needs_reset = True
                self._conclude_refused(self._go_on)

    def _on_lone_dot(self, _code: int, _text: bytes) -> None:
        if self._envelope is None:
            self._go_on()

    def _conclude_refused(self, then: Callable[[], None]) -> None:
        """The envelope's refusal becomes its outcome, and the connection goes on."""
        transmission, refusal = self._envelope, self._refusal
        assert transmission is not None
        assert refusal is not None
        self._envelope = None
        then()
        self._conclude(transmission, *refusal)

    def _on_final(self, code: int, text: bytes) -> None:
        transmission = self._sent
        assert transmission is not None
        if code // 100 == 3:
            self._break(f"the message was answered with {code}")
            return
        self._sent = None
        if self._envelope is None:
            self._go_on()
        self._conclude(transmission, code, text)

    def _conclude(self, transmission: Transmission, code: int, text: bytes) -> None:
        self.completed += 1
        channel = self._channel
        channel.conclude(Outcome(transmission.delivery_id, _KINDS[code // 100], code, readable(text), channel.name))

    def _on_quit(self, _code: int, _text: bytes) -> None:
        self._break(None)

    def _on_unasked(self, code: int, text: bytes) -> None:
        """A reply that nothing was asked for. While content is being written it is the early end of this message."""
        transmission = self._envelope
        if self._outgoing is None or transmission is None or code // 100 not in (4, 5):
            self._break(f"the relay sent {code} without being asked")
            return
        self._envelope = self._outgoing = None
        self._break(None)
        self._conclude(transmission, code, text)

    def _on_421(self, text: bytes) -> None:
        """The server closes the session, in reply to whatever came first (RFC 5321 3.8, 4.2.1)."""
        awaited = self._awaited[0] if self._awaited else None
        reply = f"421 {readable(text)}"
        if awaited is _QUIT or (awaited is None and self._envelope is None):
            # Idle for too long in the server's eyes: no sign of trouble.
            self._break(None)
            return
        self._channel.answered_421(reply)
        transmission = self._sent
        if awaited is _FINAL and transmission is not None:
            self._sent = None
            self._break(reply, is_our_doing=True)
            self._conclude(transmission, 421, text)
        else:
            self._break(reply)

    # The end --------------------------------------------------------------------------------------------------------

    def _break(self, reason: str | None, *, is_our_doing: bool = False) -> None:
        """Closes the connection and gives back what is in hand. A reason of None: an end without any trouble."""
        if self.closed:
            return
        self.closed = True
        self._transport.abort()
        self._awaited.clear()
        has_begun = self._outgoing is not None and not is_our_doing
        sent, envelope = self._sent, self._envelope
        self._sent = self._envelope = self._outgoing = None
        channel, text = self._channel, reason or "connection closed"
        channel.has_ended(self, None if is_our_doing else reason)
        if sent is not None:
            channel.conclude(Outcome(sent.delivery_id, OutcomeKind.IN_DOUBT, None, text, channel.name))
        if envelope is not None:
            # Behind another message's content, this envelope was not what the server was at.
            is_to_blame = not is_our_doing and sent is None
            channel.lost_with_envelope(envelope.delivery_id, text, has_begun=has_begun, is_to_blame=is_to_blame)


_KINDS = {2: OutcomeKind.ACCEPTED, 4: OutcomeKind.DEFERRED, 5: OutcomeKind.REJECTED}

_RESET = _Stage("RSET", "command", SmtpConnection._on_reset)
_MAIL = _Stage("MAIL", "mail", SmtpConnection._on_mail)
_RCPT = _Stage("RCPT", "rcpt", SmtpConnection._on_rcpt)
_DATA = _Stage("DATA", "data_init", SmtpConnection._on_data)
_FINAL = _Stage("the message", "final_dot", SmtpConnection._on_final)
_LONE_DOT = _Stage("the end of DATA", "final_dot", SmtpConnection._on_lone_dot)
_QUIT = _Stage("QUIT", "quit", SmtpConnection._on_quit)
