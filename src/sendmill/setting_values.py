"""From the text of an environment variable to its value. Pure; what can't be used is a ValueError that says why."""

import ipaddress
import re
import urllib.parse
from pathlib import Path

from sendmill.errors import SettingError

# What stands before a token in a header and in HTML, as it is: nothing in it needs quoting anywhere.
_is_base_url = re.compile(
    r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]*)?"
).fullmatch
_is_address = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+").fullmatch


def text(value: str) -> str:
    return value


def path(value: str) -> Path:
    try:
        return Path(value).expanduser().resolve()
    except RuntimeError:
        raise ValueError("there is no such user, or a link leads to itself") from None


def positive_integer(value: str) -> int:
    if not value.isascii() or not value.isdigit() or int(value) < 1:
        raise ValueError("must be a whole number of at least 1")
    return int(value)


def days(value: str) -> int | None:
    return positive_integer(value) if value else None


def seconds(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < 10**9:
        raise ValueError("must be a number of seconds above 0")
    return number


def list_of_seconds(value: str) -> tuple[float, ...]:
    return tuple(seconds(part.strip()) for part in value.split(","))


def in_doubt(value: str) -> str:
    if value not in ("resend", "hold"):
        raise ValueError("must be resend or hold")
    return value


def log_level(value: str) -> str:
    if value.lower() not in ("debug", "info", "warning", "error"):
        raise ValueError("must be debug, info, warning or error")
    return value.lower()


def log_format(value: str) -> str:
    if value not in ("auto", "json", "console"):
        raise ValueError("must be auto, json or console")
    return value


def host_and_port(value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("must be host:port, for example 127.0.0.1:8080")
    return host.strip("[]"), int(port)


def bearer_token(value: str) -> str:
    if value and not re.fullmatch(r"[A-Za-z0-9._~+/=-]{16,}", value):
        # Not a ValueError, whose line would show the secret.
        raise SettingError(
            "SENDMILL_METRICS_TOKEN", "must be at least 16 letters, digits and - . _ ~ + / = (RFC 6750)."
        )
    return value


def servers(value: str) -> tuple[tuple[str, int], ...]:
    found = []
    for one in filter(None, map(str.strip, value.split(","))):
        host, _, port = one.rpartition(":") if one.count(":") == 1 or one.startswith("[") else (one, "", "53")
        if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError("must be addresses of DNS servers, for example 192.0.2.53 or 127.0.0.1:5353")
        try:
            found.append((str(ipaddress.ip_address(host.strip("[]"))), int(port)))
        except ValueError:
            raise ValueError("must be addresses of DNS servers, for example 192.0.2.53 or 127.0.0.1:5353") from None
    return tuple(found)


def base_url(value: str) -> str:
    if value and not _is_base_url(value):
        raise ValueError("must be an http:// or https:// address, without a query")
    return value.rstrip("/")


def list_of_texts(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def address(value: str) -> str:
    if value and not _is_address(value):
        raise ValueError("must be an email address, of ASCII letters, digits and . _ + - alone")
    return value


def mail_domain(url: str) -> str:
    """The domain of our own mail: the address's host, unless that is an IP address or a bare name."""
    host = urllib.parse.urlsplit(url).hostname or ""
    return host if "." in host and host.rpartition(".")[2].isalpha() else "sendmill.invalid"
