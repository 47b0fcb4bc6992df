"""`/metrics` for Prometheus: what this web process has measured, and what the database tells of all processes.

Delivery processes and schedulers have no port of their own: they add what they count to the database
(`metrics/tallies.py`). So any web process tells the same of them, and of several it doesn't matter which is asked.
"""

import hmac
import platform
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

import sendmill
from sendmill.api.middleware import Handler
from sendmill.api.rendering import json_answer
from sendmill.contacts.models import Import, ImportState
from sendmill.delivery.clock import now_ms
from sendmill.delivery.queue_state import read_queue_state
from sendmill.delivery.reports import read_reports
from sendmill.delivery.sending_tally import BOUND_NAMES
from sendmill.metrics import tallies

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_RELAY_STATES = {"up": 1.0, "impaired": 0.5, "down": 0.0}

registry = CollectorRegistry()
_requests = Counter(
    "sendmill_http_requests", "Requests by route, method and status.", ("route", "method", "status"), registry=registry
)
_request_seconds = Histogram(
    "sendmill_http_request_seconds", "Until the answer's first byte is ready.", ("route",), registry=registry
)
ProcessCollector(registry=registry)


def measured(get_response: Handler) -> Handler:
    """Middleware: counts each request under its route's template, so that no id becomes a label."""

    def answer(request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response: HttpResponseBase | None = None
        try:
            response = get_response(request)
            return response
        finally:
            found = request.resolver_match
            route = f"/{found.route}" if found else "unknown"
            method = request.method if request.method in _METHODS else "other"
            status = 500 if response is None else response.status_code
            _requests.labels(route, method, status).inc()
            _request_seconds.labels(route).observe(time.perf_counter() - began)

    return answer


def metrics(request: HttpRequest) -> HttpResponse:
    """The exposition, for who has the token. Without SENDMILL_METRICS_TOKEN there is nothing here."""
    token = settings.SENDMILL_METRICS_TOKEN
    if not token:
        return json_answer(404, {"detail": "Not found."})
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        response = json_answer(401, {"detail": "Invalid token."})
        response["WWW-Authenticate"] = "Bearer"
        return response
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _OfDatabase(Collector):
    """What the database tells at the moment it is asked. Without one, only that it can't be reached."""

    def collect(self) -> Iterator[Metric]:
        yield _build_info()
        yield GaugeMetricFamily(
            "sendmill_data_folder_free_bytes", "Room in SENDMILL_DATA.", shutil.disk_usage(settings.SENDMILL_DATA).free
        )
        try:
            found = [*_of_tallies(), *_of_queue(), *_of_workers(), *_of_imports(), _database_bytes()]
        except DatabaseError:
            found = []
        yield GaugeMetricFamily("sendmill_database_up", "1 if the database answers.", 1 if found else 0)
        yield from found


registry.register(_OfDatabase())


def _build_info() -> Metric:
    info = GaugeMetricFamily("sendmill_build_info", "Always 1.", labels=("version", "python", "database"))
    info.add_metric((sendmill.__version__, platform.python_version(), connection.vendor), 1)
    return info


def _of_tallies() -> Iterator[Metric]:
    found = tallies.read()
    messages = CounterMetricFamily("sendmill_messages", "Answers of relays to messages.", labels=("relay", "outcome"))
    for labels, value in found.get("messages", []):
        messages.add_metric((labels["relay"], labels["outcome"]), value)
    yield messages
    latency = HistogramMetricFamily(
        "sendmill_relay_seconds", "From a message's last byte to the relay's answer.", labels=("relay",)
    )
    buckets: dict[str, dict[str, float]] = {}
    for labels, value in found.get("relay_seconds_bucket", []):
        buckets.setdefault(labels["relay"], {})[labels["le"]] = value
    sums = {labels["relay"]: value for labels, value in found.get("relay_seconds_sum", [])}
    for relay, counts in buckets.items():
        running = 0.0
        cumulative = [(bound, running := running + counts.get(bound, 0.0)) for bound in BOUND_NAMES]
        latency.add_metric((relay,), cumulative, sums.get(relay, 0.0))
    yield latency
    rows = CounterMetricFamily("sendmill_import_rows", "Rows of finished imports.", labels=("kind", "result"))
    for labels, value in found.get("import_rows", []):
        rows.add_metric((labels["kind"], labels["result"]), value)
    yield rows


def _of_queue() -> Iterator[Metric]:
    queue = read_queue_state(now_ms())
    recipients = GaugeMetricFamily(
        "sendmill_queue_recipients", "Recipients of whom something is still to come.", labels=("status", "disposition")
    )
    for key, count in sorted(queue.open_recipients.items()):
        recipients.add_metric(key, count)
    yield recipients
    yield GaugeMetricFamily(
        "sendmill_queue_oldest_due_seconds",
        "How long the recipient that is due the longest has waited for a worker.",
        queue.oldest_due_seconds,
    )
    yield GaugeMetricFamily(
        "sendmill_start_lag_seconds",
        "How late the campaign is that should have started first.",
        queue.start_lag_seconds,
    )
    campaigns = GaugeMetricFamily("sendmill_campaigns", "Campaigns not closed yet.", labels=("status", "phase"))
    for key, count in sorted(queue.campaigns.items()):
        campaigns.add_metric(key, count)
    yield campaigns


def _of_workers() -> Iterator[Metric]:
    reports = read_reports()
    yield GaugeMetricFamily("sendmill_delivery_processes", "Delivery processes that report.", reports.workers)
    rate = GaugeMetricFamily(
        "sendmill_send_rate", "Messages a second, over the last seconds.", sum(reports.rates.values())
    )
    yield rate
    up = GaugeMetricFamily("sendmill_relay_up", "1 up, 0.5 if some processes can't use it, 0 down.", labels=("relay",))
    connections = GaugeMetricFamily("sendmill_relay_connections", "Open connections.", labels=("relay",))
    in_hand = GaugeMetricFamily("sendmill_relay_in_hand", "Messages without an answer yet.", labels=("relay",))
    for relay in reports.relays:
        up.add_metric((relay.name,), _RELAY_STATES[relay.state])
        connections.add_metric((relay.name,), relay.open_connections)
        in_hand.add_metric((relay.name,), relay.in_hand)
    yield from (up, connections, in_hand)


def _of_imports() -> Iterator[Metric]:
    imports = GaugeMetricFamily("sendmill_imports", "Imports that have not ended.", labels=("state",))
    for state in (ImportState.RECEIVING, ImportState.APPLYING):
        imports.add_metric((state.value,), Import.objects.filter(state=state).count())
    yield imports


def _database_bytes() -> Metric:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            size = cursor.fetchone()[0]
    else:
        path = Path(settings.DATABASES["default"]["NAME"])
        parts = (path, path.with_name(f"{path.name}-wal"))
        size = sum(part.stat().st_size for part in parts if part.exists())
    return GaugeMetricFamily("sendmill_database_bytes", "Size of the database.", size)
