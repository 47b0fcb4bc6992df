"""What a sink notes of what it was given."""

from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import Message


@dataclass(frozen=True)
class ReceivedMessage:
    """One message the sink took: from then on it is delivered, whatever the client comes to know."""

    envelope_sender: str
    recipients: tuple[str, ...]
    #: As on the wire, after dot-unstuffing: lines end in CRLF.
    content: bytes
    #: Seconds of time.monotonic() at the final dot.
    arrived: float
    #: Counts the sink's connections from 1, so that reuse of a connection can be seen.
    connection: int
    #: The IP address it came from.
    client_address: str

    @property
    def recipient(self) -> str:
        """The only recipient. Raises ValueError if there are several."""
        (recipient,) = self.recipients
        return recipient

    def parse(self) -> Message:
        """The message as Python's lenient parser reads it: the one that does not repair what it finds."""
        return message_from_bytes(self.content, policy=policy.compat32)


@dataclass(frozen=True)
class Refusal:
    """One command the sink answered with something else than success, as it was told to."""

    stage: str
    recipient: str
    reply: str
    at: float


@dataclass(frozen=True)
class Conversation:
    """A connection as the sink sees it at one moment: what it has said, in bytes, and the messages it has answered.

    `answered` is the number of a message (in order of arrival, from 1) → where in what was said its final reply ends.
    """

    connection: int
    client_port: int
    said: int
    answered: dict[int, int]


@dataclass(frozen=True)
class Interruption:
    """A connection that ended in the middle of a transaction: the client can't know what became of its message."""

    connection: int
    at: float
