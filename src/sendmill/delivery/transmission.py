"""What goes into a relay pool and what comes out of it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from sendmill.delivery.routes import Route


@dataclass(slots=True)
class Transmission:
    """One message for one recipient, ready to be handed to a relay.

    `content` is the message in CRLF lines, without dot-stuffing and without the final dot. `smtputf8`: an address or a
    header is not ASCII, so only a server with SMTPUTF8 (RFC 6531) can take it. `is_wire_ready`: its maker guarantees
    that no line begins with a dot and every line ends in CRLF, so it needs no second look (6 % of a message's CPU). An
    empty `envelope_sender` is the null sender. `route` says which relays may take it.
    """

    delivery_id: int
    envelope_sender: bytes
    recipient: bytes
    content: bytes
    smtputf8: bool = False
    is_wire_ready: bool = False
    route: Route = ()


class OutcomeKind(Enum):
    """What became of a transmission: a closed set.

    ACCEPTED  a 2xx to the content.
    DEFERRED  a 4xx to this message, or this message broke the connection (see `Outcome`).
    REJECTED  a 5xx to this message, or it can't be sent at all.
    IN_DOUBT  the content's last byte may have left and no reply came.
    NOT_SENT  the relay was not asked, or went away before the content's last byte left; it is no attempt.
    """

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REJECTED = "rejected"
    IN_DOUBT = "in doubt"
    NOT_SENT = "not sent"


class Outcome(NamedTuple):
    """The one answer to each transmission.

    `code` is None where no reply decided it. `reply` is the reply's text (with its enhanced code), or what happened
    instead; printable, one line, at most 500 characters. `relay` is the relay's name, without credentials.

    DEFERRED without a code: the connection was lost while the content was on its way and its last byte surely had not
    left, or it was lost (or closed with 421) three times at this message's envelope. Both may be the message's fault,
    so they count as attempts and can't go round for ever; neither can have been delivered.
    """

    delivery_id: int
    kind: OutcomeKind
    code: int | None
    reply: str
    relay: str


OnLastBytes = Callable[[int], bool]
"""Called with the delivery's id immediately before the write that holds its content's last byte. False: don't send."""

OnOutcome = Callable[[Outcome], None]


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Seconds to wait at each stage. The minimum values of RFC 5321 4.5.3.2, and ours where it has none.

    `idle` is short because servers under load hang up after 10 s (Postfix, smtpd_timeout under stress).
    """

    connect: float = 30.0
    tls_handshake: float = 30.0
    greeting: float = 300.0
    command: float = 300.0  # EHLO, STARTTLS, AUTH, RSET
    mail: float = 300.0
    rcpt: float = 300.0
    data_init: float = 120.0
    data_block: float = 180.0
    final_dot: float = 600.0
    quit: float = 5.0
    idle: float = 8.0
    pause_first: float = 1.0  # a relay's first pause; doubled with every failure in a row
    pause_longest: float = 60.0


@dataclass(slots=True)
class RelayHealth:
    """A relay as a pool sees it now.

    `paused_seconds` is how long it will still be left alone, 0 when it is up. `last_error` stays after recovery, until
    the next one; it never holds a secret. `in_hand` counts transmissions that have no outcome yet. `permits` is how
    many more messages its rate allows now, None without a rate. `senders` and `clients` are whose mail it takes, as
    `Relay` has them; none of either for anybody's.
    """

    name: str
    paused_seconds: float
    failures_in_a_row: int
    last_error: str | None
    open_connections: int
    in_hand: int
    permits: int | None
    senders: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
