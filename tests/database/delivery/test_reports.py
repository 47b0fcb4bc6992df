"""What workers say of themselves, put together."""

import pytest

from sendmill.delivery import reports
from sendmill.delivery.clock import database_ms
from sendmill.delivery.models import WorkerReport
from sendmill.delivery.transmission import RelayHealth

pytestmark = pytest.mark.django_db


def health(name: str, paused_seconds: float = 0.0, last_error: str | None = None) -> RelayHealth:
    return RelayHealth(name, paused_seconds, 0, last_error, open_connections=3, in_hand=5, permits=None)


def test_rates_and_connections_of_all_workers_are_added() -> None:
    reports.write_report("one", [health("a:25")], {7: 10.0})
    reports.write_report("two", [health("a:25")], {7: 2.5, 8: 1.0})
    reports.write_report("two", [health("a:25")], {7: 5.0, 8: 1.0})
    found = reports.read_reports()
    assert found.workers == 2
    assert found.rates == {7: 15.0, 8: 1.0}
    [relay] = found.relays
    assert (relay.name, relay.state, relay.open_connections, relay.in_hand) == ("a:25", "up", 6, 10)


@pytest.mark.parametrize(
    ("pauses", "state", "retry_seconds"), [((0, 0), "up", None), ((4, 0), "impaired", 4), ((4, 2), "down", 2)]
)
def test_a_relay_is_down_when_no_worker_can_use_it(
    pauses: tuple[float, float], state: str, retry_seconds: float | None
) -> None:
    for number, pause in enumerate(pauses):
        reports.write_report(f"worker {number}", [health("a:25", pause, "refused" if pause else None)], {})
    [relay] = reports.read_reports().relays
    assert (relay.state, relay.retry_seconds) == (state, retry_seconds)
    assert relay.last_error == ("refused" if any(pauses) else None)


def test_what_a_relay_said_names_nobody() -> None:
    """It is shown to every client whose mail the relay takes, and may be about another one's."""
    said = "session closed: 421 4.7.0 from boss@other.test to <secret.customer@example.com>: slow down"
    reports.write_report("one", [health("a:25", 3, said)], {})
    [relay] = reports.read_reports().relays
    assert relay.last_error == "session closed: 421 4.7.0 from (address) to (address) slow down"


def test_a_worker_that_has_gone_or_says_nothing_is_not_counted_and_its_report_goes_away() -> None:
    reports.write_report("clean end", [health("a:25")], {})
    reports.delete_report("clean end")
    reports.write_report("dead", [health("a:25")], {7: 1.0})
    WorkerReport.objects.update(reported_ms=database_ms() - reports.FRESH_MS - 1_000)
    assert reports.read_reports() == reports.Reports(0, [], {})
    reports.delete_old_reports(database_ms())
    assert WorkerReport.objects.exists()
    reports.delete_old_reports(database_ms() + reports.KEPT_MS)
    assert not WorkerReport.objects.exists()
