"""`/metrics`: what it tells is what the database holds, and what deploy/ asks for is there."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from django.test import Client as Browser
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from sendmill.contacts.importer import run_import
from sendmill.contacts.models import ImportKind
from sendmill.delivery import queue, reports
from sendmill.delivery.clock import now_ms
from sendmill.delivery.sending_tally import SendingTally
from sendmill.delivery.states import State
from sendmill.delivery.transmission import OutcomeKind, RelayHealth
from sendmill.metrics import tallies
from tests.database.campaigns.making import make_campaign, make_client
from tests.database.contacts.making import csv_file
from tests.database.delivery.making import LEASE_MS, expanded_campaign

pytestmark = pytest.mark.django_db

DEPLOY = Path(__file__).parents[3] / "deploy"
TOKEN = "secret-of-prometheus"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(autouse=True)
def token(settings: Settings) -> None:
    settings.SENDMILL_METRICS_TOKEN = TOKEN


def exposition() -> str:
    response = Browser().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    return response.content.decode()


def scraped() -> Samples:
    families = text_string_to_metric_families(exposition())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def test_nobody_reads_it_without_the_token(settings: Settings) -> None:
    browser = Browser()
    for wrong in ({}, {"Authorization": "Bearer other"}, {"Authorization": TOKEN}, {"Authorization": "Bearer é"}):
        response = browser.get("/metrics", headers=wrong)
        assert response.status_code == 401
        assert b"sendmill_" not in response.content
    settings.SENDMILL_METRICS_TOKEN = ""
    assert browser.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


def test_answers_of_all_processes_add_up() -> None:
    for _ in range(2):
        tally = SendingTally()
        tally.answered("mx:25", OutcomeKind.ACCEPTED, 0.004)
        tally.answered("mx:25", OutcomeKind.ACCEPTED, 0.2)
        tally.answered("mx:25", OutcomeKind.DEFERRED, 99.0)
        tallies.add(tally.take())
        assert tally.take() == {}
    found = scraped()
    assert value(found, "sendmill_messages_total", relay="mx:25", outcome="accepted") == 4
    assert value(found, "sendmill_messages_total", relay="mx:25", outcome="deferred") == 2
    assert value(found, "sendmill_relay_seconds_bucket", relay="mx:25", le="0.005") == 2
    assert value(found, "sendmill_relay_seconds_bucket", relay="mx:25", le="60") == 4
    assert value(found, "sendmill_relay_seconds_bucket", relay="mx:25", le="+Inf") == 6
    assert value(found, "sendmill_relay_seconds_count", relay="mx:25") == 6
    assert value(found, "sendmill_relay_seconds_sum", relay="mx:25") == pytest.approx(198.408)


def test_the_queue_is_told_as_it_is() -> None:
    expanded_campaign(1_500)
    late = timezone.now() - timedelta(seconds=90)
    client = make_client()
    make_campaign(client, starts_at=late)
    make_campaign(client, starts_at=late - timedelta(days=1), status="paused")
    found = scraped()
    assert value(found, "sendmill_queue_recipients", status="active", disposition="queued") == 1_500
    assert value(found, "sendmill_queue_recipients", status="active", disposition="deferred") == 0
    assert 90 <= value(found, "sendmill_start_lag_seconds") < 120
    assert value(found, "sendmill_campaigns", status="paused", phase="waiting") == 1
    assert value(found, "sendmill_queue_oldest_due_seconds") >= 0

    # A deferred recipient whose time has come, and whom no worker holds.
    claim = queue.claim("000000000000:1:1", now_ms(), LEASE_MS)
    assert claim is not None
    rows = claim.rows[:2]
    queue.exchange({claim.chunk_id: claim}, [], [], rows, now_ms())
    attempts = [
        queue.Attempt(rows[0].id, State.DEFERRED, 1, now_ms(), now_ms() - 500_000, 451, "later", "mx:25"),
        queue.Attempt(rows[1].id, State.DELIVERED, 1, now_ms(), None, 250, "kept", "mx:25"),
    ]
    queue.exchange({claim.chunk_id: claim}, attempts, [], [], now_ms())
    queue.release(claim.chunk_id, claim.fence)
    found = scraped()
    assert value(found, "sendmill_queue_recipients", status="active", disposition="queued") == 1_498
    assert value(found, "sendmill_queue_recipients", status="active", disposition="deferred") == 1
    assert sum(count for (name, _), count in found.items() if name == "sendmill_queue_recipients") == 1_499


def test_imports_requests_and_relays_are_counted() -> None:
    client = make_client()
    run_import(
        client,
        ImportKind.OPTOUT_ADD,
        None,
        csv_file("email", "a@example.com", "A@example.com", "nobody"),
        email_index=0,
    )
    health = RelayHealth("mx:25", 7.0, 3, "connect: refused", 0, 2, None)
    reports.write_report("000000000000:1:1", [health], {1: 12.5})
    browser = Browser()
    for object_id in ("57bb010e2cd5264797b017e5", "57bb010e2cd5264797b017e6"):
        browser.get(f"/email/campaign/?_id={object_id}")
        browser.get(f"/nowhere/{object_id}/")
    browser.generic("MADEUP", "/healthz")
    found = scraped()
    assert value(found, "sendmill_import_rows_total", kind="optout_add", result="rejected") == 1
    assert value(found, "sendmill_import_rows_total", kind="optout_add", result="duplicate") == 1
    assert value(found, "sendmill_relay_up", relay="mx:25") == 0
    assert value(found, "sendmill_send_rate") == 12.5
    assert value(found, "sendmill_delivery_processes") == 1
    assert value(found, "sendmill_http_requests_total", route="/email/campaign/", method="GET", status="401") >= 2
    assert value(found, "sendmill_http_requests_total", route="unknown", method="GET", status="404") >= 2
    assert value(found, "sendmill_http_requests_total", route="/healthz", method="other", status="200") >= 1
    assert not re.search("57bb010e2cd5264797b017e[56]|MADEUP", exposition())


def test_a_metrics_page_of_many_results_is_cheap(django_assert_max_num_queries: object) -> None:
    expanded_campaign(3_000)
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        exposition()


# deploy/ ------------------------------------------------------------------------------------------------------------


def expressions() -> Iterator[str]:
    """Every PromQL expression of the rules and of the dashboard."""
    for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]
    for panel in json.loads((DEPLOY / "grafana-dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


def test_rules_and_dashboard_ask_for_what_is_there() -> None:
    tally = SendingTally()
    for kind in (OutcomeKind.ACCEPTED, OutcomeKind.REJECTED, OutcomeKind.DEFERRED, OutcomeKind.IN_DOUBT):
        tally.answered("mx:25", kind, 0.1)
    tallies.add(tally.take())
    tallies.add({("import_rows", (("kind", "replace"), ("result", "accepted"))): 1})
    reports.write_report("000000000000:1:1", [RelayHealth("mx:25", 0.0, 0, None, 1, 0, None)], {})
    expanded_campaign(1)
    exposition()  # the first one is itself counted in the second
    labels_of: dict[str, set[str]] = {"up": {"job"}}
    values: set[tuple[str, str]] = set()
    for name, labels in scraped():
        labels_of.setdefault(name, {"instance", "job"}).update(key for key, _ in labels)
        values |= labels
    asked = set()
    for expression in expressions():
        names = set(re.findall(r"\b(?:(?:sendmill|process)_\w+|up)\b", expression))
        assert names, expression
        assert names <= labels_of.keys(), expression
        asked |= names
        known = set().union(*(labels_of[name] for name in names))
        for grouped in re.findall(r"\b(?:by|without) ?\(([^)]*)\)", expression):
            assert set(grouped.replace(" ", "").split(",")) <= known, expression
        for label, sign, wanted in re.findall(r'(\w+)(=~?)"([^"]*)"', expression):
            assert label in known, expression
            if sign == "=" and label != "job":
                assert (label, wanted) in values, expression
    # And nothing that is measured is forgotten by both.
    told = {name for name in labels_of if name.startswith("sendmill_")}
    unused = {name for name in told - asked if not name.endswith(("_created", "_sum", "_count"))}
    assert unused <= {"sendmill_database_up", "sendmill_build_info"}
