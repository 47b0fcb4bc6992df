"""SENDMILL_SMTP_URL → relays. Pure.

No error quotes what was written: with a character left unencoded, any part of the text may be part of the password.
"""

import math
import urllib.parse
from dataclasses import dataclass, field
from typing import Literal

from sendmill.errors import SettingError

Tls = Literal["auto", "none", "starttls", "implicit"]

DEFAULT_CONNECTIONS = 20
_PARAMETERS = ("tls", "connections", "rate", "verify")
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

    @property
    def name(self) -> str:
        """host:port, or outbox: how logs and results call it."""
        if self.kind == "outbox":
            return "outbox"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_relays(setting: str) -> tuple[Relay, ...]:
    """The relays that a value of SENDMILL_SMTP_URL names, at least one.

    `outbox:`, or comma-separated
    `smtp://[user:pass@]host[:port]?tls=auto|none|starttls|implicit&connections=20&rate=100&verify=yes|no`.
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
