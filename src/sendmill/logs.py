"""Structured logs: one line an event, JSON or, on a terminal, readable; never a secret.

Django's and every library's standard logging goes the same way.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET_KEYS = re.compile(r"password|secret|token|authorization|cookie", re.IGNORECASE)
_URL_CREDENTIALS = re.compile(r"(\w+://)[^/@\s]+@")
# Links that let their holder in, opt out, or read a message: `urls.py`, `web.routes`, `web.account_routes`.
_LINK = re.compile(r"(/(?:invitation|password|u|v|subscribe-again)/)[^/\s?\"']+")
_API_TOKEN = re.compile(r"\b[0-9a-f]{40}\b")


def configure(level: str, style: str) -> None:
    """Set up logging for this process. `style`: `json`, `console`, or `auto` (console when stderr is a terminal)."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    as_console = style == "console" or (style == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if as_console else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # It tells of every login in four lines; what matters of it, a lock-out, is a warning.
    logging.getLogger("axes").setLevel(logging.WARNING)
    # Every job in three lines, and an outage of the database in tracebacks: `delivery.job_queue` says it in a line.
    for name in ("procrastinate", "psycopg.pool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: values under telling names go, and so do tokens and credentials inside any text."""
    for key, value in event.items():
        if _SECRET_KEYS.search(key):
            event[key] = "(hidden)"
        elif isinstance(value, str):
            without_links = _LINK.sub(r"\1(hidden)", _URL_CREDENTIALS.sub(r"\1(hidden)@", value))
            event[key] = _API_TOKEN.sub("(hidden)", without_links)
    return event
