"""The scheduler: what has to happen without anybody asking for it.

Every node runs one. That a step happens once, whatever the number of nodes, is the business of the step's own
transaction. One tick is the list of steps in `Scheduler.steps`.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone

from sendmill.campaigns import lifecycle
from sendmill.contacts import maintenance
from sendmill.delivery import closing, expand, reports, retry
from sendmill.delivery.clock import database_ms, now_ms
from sendmill.delivery.leases import LeaseWatch
from sendmill.delivery.owner import node_id
from sendmill.delivery.recovery import Recoverer

log = structlog.get_logger()

TICK_SECONDS = 0.1
HOUSEKEEPING_SECONDS = 10.0
START_BATCH = 50
# A turn at expanding ends after this many chunks, so that other campaigns start and recovery isn't kept waiting.
CHUNKS_A_TURN = 20
# Between two chunks workers get at SQLite's write lock, for which they ask every few ms. Without a pause they got
# nothing to send until the expansion was over; with it a chunk of 1,000 takes 10 ms instead of 5.
EXPANSION_PAUSE_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it does, and how long at least until it is done again."""

    name: str
    act: Callable[[], bool]
    every_seconds: float = 0.0


class Scheduler:
    """Runs the steps until `stop` is set."""

    def __init__(self, stop: threading.Event, data_folder: Path) -> None:
        self._stop = stop
        self._recoverer = Recoverer(
            node=node_id(data_folder),
            journals=data_folder / "journals",
            retry_seconds=settings.SENDMILL_RETRY_SECONDS,
            in_doubt=settings.SENDMILL_IN_DOUBT,
            watch=LeaseWatch(settings.SENDMILL_LEASE_SECONDS),
        )
        self._last_done: dict[str, float] = {}
        self.steps = (
            Step("start due campaigns", self._start_due_campaigns),
            Step("expand campaigns", self._expand_campaigns),
            Step("recover abandoned chunks", self._recover_abandoned_chunks),
            Step("retry failed recipients", self._retry_failed),
            Step("close chunks of cancelled campaigns", self._close_cancelled),
            Step("close finished campaigns", self._close_finished),
            Step("recover imports", maintenance.recover_imports, HOUSEKEEPING_SECONDS),
            Step("purge retired contacts", maintenance.purge_retired_sets, HOUSEKEEPING_SECONDS),
            Step("delete settled journals", self._delete_settled_journals, HOUSEKEEPING_SECONDS),
            Step("delete old reports", self._delete_old_reports, HOUSEKEEPING_SECONDS),
        )

    def run(self) -> None:
        """Tick until stopped. A step that still has work is done again at once."""
        while not self._stop.is_set():
            if not self.tick():
                self._stop.wait(TICK_SECONDS)
        connection.close()

    def tick(self) -> bool:
        """Do every step that is due; whether one of them has more to do."""
        more = False
        for step in self.steps:
            if self._stop.is_set():
                return False
            if time.monotonic() - self._last_done.get(step.name, float("-inf")) < step.every_seconds:
                continue
            try:
                has_more = step.act()
            except DatabaseError as error:
                # A database that is down or full is waited for: nothing is lost meanwhile.
                log.error("scheduler.database_error", step=step.name, error=str(error).strip())
                connection.close()
                self._stop.wait(1.0)
                return False
            more |= has_more
            if not has_more:
                self._last_done[step.name] = time.monotonic()
        return more

    def _start_due_campaigns(self) -> bool:
        now = timezone.now()
        due = lifecycle.due_campaign_ids(now, START_BATCH)
        for campaign_id in due:
            campaign = lifecycle.start(campaign_id, now)
            if campaign is not None:
                late = (now - campaign.starts_at).total_seconds()
                log.info("campaign.started", campaign=campaign.object_id, late_seconds=round(late, 3))
        return len(due) == START_BATCH

    def _expand_campaigns(self) -> bool:
        expanding = expand.expanding_campaign_ids()
        for _ in range(CHUNKS_A_TURN):
            expanding = [number for number in expanding if expand.expand_step(number, now_ms()) > 0]
            if not expanding or self._stop.wait(EXPANSION_PAUSE_SECONDS):
                return False
        return True

    def _recover_abandoned_chunks(self) -> bool:
        for found in self._recoverer.recover(now_ms()):
            log.warning(
                "chunk.recovered",
                chunk=found.chunk_id,
                owner=found.owner,
                answered=found.answered,
                in_doubt=found.in_doubt,
                returned=found.returned,
            )
        return False

    def _retry_failed(self) -> bool:
        chunk_ids = retry.next_retry_chunks()
        for chunk_id in chunk_ids:
            retry.retry_chunk(chunk_id, now_ms())
        return len(chunk_ids) == retry.CHUNKS_AT_ONCE

    def _close_cancelled(self) -> bool:
        return closing.close_chunks_of_cancelled(now_ms()) > 0

    def _close_finished(self) -> bool:
        for campaign_id in closing.close_finished_campaigns():
            log.info("campaign.closed", campaign=campaign_id)
        return False

    def _delete_settled_journals(self) -> bool:
        self._recoverer.delete_settled_journals()
        return False

    def _delete_old_reports(self) -> bool:
        reports.delete_old_reports(database_ms())
        return False
