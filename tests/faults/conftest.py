"""Faults are tried on the same real server and mail server as the end-to-end tests.

Each scenario is short in `make test`; `make faults` sets FAULTS_SIZE=long, which makes the same scenarios large,
and prints what they came to (`table`).
"""

from collections.abc import Iterator

import pytest

from tests.end_to_end.conftest import new_server, pytest_runtest_makereport, server, sink
from tests.faults.postgresql_cluster import Cluster
from tests.faults.scenario import Report
from tests.faults.table import add

__all__ = ["new_server", "pytest_runtest_makereport", "server", "sink"]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL cluster to restart. To be asked for before the servers, which end first."""
    made = Cluster()
    yield made
    made.stop()


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Iterator[Report]:
    """The scenario's row; it is written with the verdict when the scenario has ended."""
    made = Report(scenario=request.node.name.removeprefix("test_").replace("_", " "))
    failed_before = request.session.testsfailed
    yield made
    add(made.row("passed" if request.session.testsfailed == failed_before else "FAILED"))
