"""SENDMILL_SMTP_URL → relays. Pure.

No error quotes what was written: with a character left unencoded, any part of the text may be part of the password.
"""

import math
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sendmill.addresses import InvalidAddress, address_key, parse_address
from sendmill.errors import SettingError
from sendmill.ids import parse_object_id

Tls = Literal["auto", "none", "starttls", "implicit"]

DEFAULT_CONNECTIONS = 20
_PARAMETERS = ("tls", "connections", "rate", "verify", "priority", "senders", "clients")
_TLS: dict[str, Tls] = {"auto": "auto", "none": "none", "starttls": "starttls", "implicit": "implicit"}


class RelaySettingError(SettingError):
    """SENDMILL_SMTP_URL can't be used. One line, without the password."""

    def __init__(self, reason: str) -> None:
        super().__init__("SENDMILL_SMTP_URL", reason)


@dataclass(frozen=True, slots=True)
class Relay:
    """A mail server that messages are handed to, or the outbox (a Maildir).

    `connections` is the most that one worker process opens. `rate` is messages per second over all workers, None for no
    limit. `user` and `password` are both given or both None, and never shown.

    `priority` is 1 for the first choice. `senders` (addresses and domains, lower case) and `clients` (object ids) are
    whose mail it takes; with both empty, anybody's (see `routes`).
    """

    kind: Literal["smtp", "outbox"]
    host: str = ""
    port: int = 0
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    tls: Tls = "auto"
    verify: bool = True
    connections: int = DEFAULT_CONNECTIONS
    rate: float | None = None
    priority: int = 1
    senders: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()

    @property
    def takes_anybody(self) -> bool:
        """Whether it takes the mail of every sender and client."""
        return not self.senders and not self.clients

    @property
    def name(self) -> str:
        """host:port, or outbox: how logs and results call it."""
        if self.kind == "outbox":
            return "outbox"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_relays(setting: str) -> tuple[Relay, ...]:
    """The relays that a value of SENDMILL_SMTP_URL names, at least one.

    `outbox:`, or comma-separated
    `smtp://[user:pass@]host[:port]?tls=auto|none|starttls|implicit&connections=20&rate=100&verify=yes|no&priority=1`
    `&senders=news@a.example;b.example&clients=<24 hex>;<24 hex>`.
    Raises RelaySettingError.
    """
    if setting.strip() == "outbox:":
        return (Relay("outbox"),)
    urls = [url.strip() for url in setting.split(",")]
    # All of them first, so that no later message can quote a piece of a password with a comma in it.
    for number, url in enumerate(urls, 1):
        if not url.startswith("smtp://"):
            raise RelaySettingError(
                f"relay {number} must begin with smtp:// (or the whole be outbox:); "
                "in user and password, write , / ? # @ : as %2C %2F %3F %23 %40 %3A."
            )
    relays = tuple(_parse_relay(url, f"relay {number}") for number, url in enumerate(urls, 1))
    for number, relay in enumerate(relays):
        if relay.name in [other.name for other in relays[:number]]:
            raise RelaySettingError(f"{relay.name} is named twice.")
    if not any(relay.takes_anybody for relay in relays):
        raise RelaySettingError("at least one relay must be without senders= and clients=, for everybody else's mail.")
    return relays


def _parse_relay(url: str, which: str) -> Relay:
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise RelaySettingError(
            f"{which}: the host or port can't be read; the port is a number from 1 to 65535."
        ) from None
    if parts.path.strip("/") or parts.fragment or "@" in parts.query:
        raise RelaySettingError(
            f"{which}: smtp://[user:pass@]host:port?… has nothing else after the port than parameters; "
            "in user and password, write , / ? # @ : as %2C %2F %3F %23 %40 %3A."
        )
    if not host or not host.isascii() or any(character <= " " for character in host) or port == 0:
        raise RelaySettingError(f"{which}: a host name (ASCII) or address and a port from 1 to 65535 are needed.")
    given = _parameters(parts.query, which)
    tls = _tls(given.get("tls", "auto"), which)
    user, password = _credentials(parts, which)
    if user is not None and tls == "none":
        raise RelaySettingError(f"{which}: tls=none with a password would send it in the clear; it never is.")
    if tls == "auto" and port == 465:
        tls = "implicit"
    return Relay(
        kind="smtp",
        host=host,
        port=port or (465 if tls == "implicit" else 25),
        user=user,
        password=password,
        tls=tls,
        verify=_yes_or_no(given.get("verify", "yes"), which),
        connections=_connections(given.get("connections", str(DEFAULT_CONNECTIONS)), which),
        rate=_rate(given["rate"], which) if "rate" in given else None,
        priority=_priority(given.get("priority", "1"), which),
        senders=_names(given, "senders", _sender, f"{which}: senders must be addresses or domains, separated by ;."),
        clients=_names(
            given, "clients", parse_object_id, f"{which}: clients must be ids of 24 hex digits, separated by ;."
        ),
    )


def _parameters(query: str, which: str) -> dict[str, str]:
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
    given = dict(pairs)
    if not set(given) <= set(_PARAMETERS):
        raise RelaySettingError(f"{which}: an unknown parameter; there are {', '.join(_PARAMETERS)}.")
    if len(given) != len(pairs):
        raise RelaySettingError(f"{which}: a parameter is given twice.")
    return given


def _credentials(parts: urllib.parse.SplitResult, which: str) -> tuple[str | None, str | None]:
    """User and password, percent-decoded; both or neither."""
    if "@" not in parts.netloc:
        return None, None
    try:
        user = urllib.parse.unquote(parts.username or "", errors="strict")
        password = urllib.parse.unquote(parts.password or "", errors="strict")
    except UnicodeDecodeError:
        raise RelaySettingError(f"{which}: user and password must be UTF-8 when percent-decoded.") from None
    if not user or not password or "\0" in user + password:
        raise RelaySettingError(f"{which}: before the @, user:password is needed, both not empty and without NUL.")
    return user, password


def _tls(value: str, which: str) -> Tls:
    if value not in _TLS:
        raise RelaySettingError(f"{which}: tls must be one of {', '.join(_TLS)}.")
    return _TLS[value]


def _yes_or_no(value: str, which: str) -> bool:
    if value not in ("yes", "no"):
        raise RelaySettingError(f"{which}: verify must be yes or no.")
    return value == "yes"


def _connections(value: str, which: str) -> int:
    if not (value.isascii() and value.isdecimal() and 1 <= int(value) <= 1000):
        raise RelaySettingError(f"{which}: connections must be a whole number from 1 to 1000.")
    return int(value)


def _rate(value: str, which: str) -> float:
    try:
        rate = float(value)
    except ValueError:
        rate = 0.0
    if not 0 < rate < math.inf:
        raise RelaySettingError(f"{which}: rate must be a number of messages per second above 0.")
    return rate


def _priority(value: str, which: str) -> int:
    if not (value.isascii() and value.isdecimal() and 1 <= int(value) <= 99):
        raise RelaySettingError(f"{which}: priority must be a whole number from 1 to 99.")
    return int(value)


def _names(given: Mapping[str, str], parameter: str, read: Callable[[str], str | None], problem: str) -> frozenset[str]:
    """The names that a parameter lists, each as `read` gives it; `problem` is what to say if one can't be read."""
    if parameter not in given:
        return frozenset()
    names = [read(text.strip()) for text in given[parameter].split(";")]
    if None in names:
        raise RelaySettingError(problem)
    return frozenset(name for name in names if name is not None)


def _sender(text: str) -> str | None:
    """An address or a domain as senders are compared; None if it is neither."""
    try:
        return address_key(parse_address(text if "@" in text else f"a@{text}")).removeprefix(
            "" if "@" in text else "a@"
        )
    except InvalidAddress:
        return None
