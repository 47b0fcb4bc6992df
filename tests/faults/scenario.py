"""What every scenario has: its size, its waiting for the end, and its row in the table of `make faults`."""

import os
import time
from collections.abc import Collection
from dataclasses import dataclass, field

import pytest

from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.campaigns import wait_until_completed
from tests.end_to_end.smtp_sink import SmtpSink
from tests.faults.accounting import Account, Taken, account
from tests.faults.table import Row

IS_LONG = os.environ.get("FAULTS_SIZE") == "long"
IS_POSTGRESQL = bool(os.environ.get("SENDMILL_DATABASE_URL"))

long_only = pytest.mark.skipif(not IS_LONG, reason="takes long: see make faults")
only_sqlite = pytest.mark.skipif(IS_POSTGRESQL, reason="PostgreSQL has no lock that all writers wait for")
a_server_to_restart = pytest.mark.skipif(not IS_POSTGRESQL, reason="SQLite has no server that restarts")
several_machines = pytest.mark.skipif(not IS_POSTGRESQL, reason="SQLite is one machine's: other nodes can't reach it")
#: What mail servers do is the same to either database, and each server that is started costs seconds of CPU.
about_mail_servers = pytest.mark.skipif(
    IS_POSTGRESQL and not IS_LONG, reason="about mail servers, not databases: on PostgreSQL see make faults"
)


def sized(short: int, long: int) -> int:
    """A number of the scenario: the short run's or the long one's."""
    return long if IS_LONG else short


@dataclass
class Report:
    """What a scenario came to. `faults` says what was done, `note` what else was measured."""

    scenario: str
    faults: str = ""
    bound: int = 0
    note: str = ""
    found: Account | None = None
    began: float = field(default_factory=time.monotonic)
    seconds: float | None = None

    def settle(
        self,
        client: ApiClient,
        campaign_id: str,
        expected: Collection[str],
        *sinks: SmtpSink | Taken,
        most_repeats: int = 0,
        within: float = 60.0,
    ) -> Account:
        """Waits until the campaign is completed, at most `within` seconds, and asserts that its account is exact."""
        wait_until_completed(client, campaign_id, within)
        self.seconds = time.monotonic() - self.began
        self.bound = most_repeats
        self.found = account(client, campaign_id, expected, *sinks)
        self.found.assert_exact(most_repeats)
        return self.found

    def row(self, verdict: str) -> Row:
        found = self.found
        return Row(
            scenario=self.scenario,
            database="PostgreSQL" if IS_POSTGRESQL else "SQLite",
            faults=self.faults,
            recipients=found.recipients if found else 0,
            lost=len(found.lost) if found else 0,
            repeated=found.repeats if found else 0,
            bound=self.bound,
            unconfirmed=len(found.unconfirmed) if found else 0,
            seconds=round(self.seconds if self.seconds is not None else time.monotonic() - self.began, 1),
            verdict=verdict,
            note=self.note,
        )
