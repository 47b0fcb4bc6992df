"""What has to happen without anybody asking for it: each task with how it is found and how it is done.

Every node looks for all of it (`scheduler`). What is found is done in the same process on SQLite, and becomes a job on
PostgreSQL, which any node may do (`job_queue`). A piece of work may be done twice, also at the same time, without
harm: each step is a transaction of its own that looks again, under locks, whether there is anything left to do. So
neither a lost job nor a repeated one matters: the tables say what is to be done, and a job is only who does it.
"""

import threading
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path

import structlog
from django.utils import timezone

from sendmill.campaigns import drafts, lifecycle
from sendmill.contacts import import_jobs, maintenance
from sendmill.delivery import closing, expand, reports, retry
from sendmill.delivery.clock import database_ms, now_ms
from sendmill.delivery.recovery import Recoverer

log = structlog.get_logger()

HOUSEKEEPING_SECONDS = 10.0
IMPORTS_SECONDS = 0.5
START_BATCH = 50
# Between two chunks workers get at SQLite's write lock, for which they ask every few ms. Without a pause they got
# nothing to send until the expansion was over; with it a chunk of 1,000 takes 10 ms instead of 5.
EXPANSION_PAUSE_SECONDS = 0.005

ALL = 0
"""The number of a task that isn't about one campaign or import."""


@dataclass(frozen=True, slots=True)
class Task:
    """`find` reads what there is to do, as the numbers of campaigns or imports; `run` does a piece of one of them and
    says whether there is more. It is looked for again after `every_seconds` at the earliest."""

    name: str
    find: Callable[[], Sequence[int]]
    run: Callable[[int], bool]
    every_seconds: float = 0.0


def campaign_tasks(stop: threading.Event) -> list[Task]:
    """What any node may do. `stop` ends pauses."""
    return [
        Task("start campaign", _due_campaigns, _start),
        Task("expand campaign", expand.expanding_campaign_ids, lambda number: _expand(number, stop)),
        Task("retry failed recipients", _all_if(retry.next_retry_chunks), _retry_failed),
        Task("close chunks of cancelled campaigns", _all_if(closing.chunks_of_cancelled), _close_cancelled),
        Task("close finished campaigns", _all_if(closing.finished_campaigns), _close_finished),
        Task("recover imports", _all_if(maintenance.silent_imports), _recover_imports, HOUSEKEEPING_SECONDS),
        Task("purge retired contacts", _all_if(maintenance.retired_sets), _purge, HOUSEKEEPING_SECONDS),
        Task("forget old drafts", _if_any(drafts.has_old_drafts), _forget_drafts, HOUSEKEEPING_SECONDS),
        Task("delete old reports", _all_if(_old_reports), _delete_old_reports, HOUSEKEEPING_SECONDS),
    ]


def import_tasks(stop: threading.Event, folder: Path) -> list[Task]:
    """What any node may do and takes long. Files are put together in `folder`."""

    def run(import_id: int) -> bool:
        import_jobs.run_job(import_id, folder, stop)
        return False

    return [Task("run import", import_jobs.unfinished_jobs, run, IMPORTS_SECONDS)]


def node_tasks(recoverer: Recoverer) -> list[Task]:
    """What every node does by itself: it has watched all leases without a break, and its journals are its own."""

    def recover(_number: int) -> bool:
        for found in recoverer.recover(now_ms()):
            log.warning(
                "chunk.recovered",
                chunk=found.chunk_id,
                owner=found.owner,
                answered=found.answered,
                in_doubt=found.in_doubt,
                returned=found.returned,
            )
        return False

    def delete_settled_journals(_number: int) -> bool:
        recoverer.delete_settled_journals()
        return False

    return [
        Task("recover abandoned chunks", lambda: [ALL], recover),
        Task("delete settled journals", lambda: [ALL], delete_settled_journals, HOUSEKEEPING_SECONDS),
    ]


def _all_if(find: Callable[[], Sized]) -> Callable[[], Sequence[int]]:
    """For a task that is done for all that is found together."""
    return lambda: [ALL] if find() else []


def _if_any(are_there: Callable[[], bool]) -> Callable[[], Sequence[int]]:
    """As `_all_if`, for what can be told without reading it."""
    return lambda: [ALL] if are_there() else []


def _due_campaigns() -> Sequence[int]:
    return lifecycle.due_campaign_ids(timezone.now(), START_BATCH)


def _start(campaign_id: int) -> bool:
    now = timezone.now()
    campaign = lifecycle.start(campaign_id, now)
    if campaign is not None:
        late = (now - campaign.starts_at).total_seconds()
        log.info("campaign.started", campaign=campaign.object_id, late_seconds=round(late, 3))
    return False


def _expand(campaign_id: int, stop: threading.Event) -> bool:
    return expand.expand_step(campaign_id, now_ms()) > 0 and not stop.wait(EXPANSION_PAUSE_SECONDS)


def _retry_failed(_number: int) -> bool:
    chunk_ids = retry.next_retry_chunks()
    for chunk_id in chunk_ids:
        retry.retry_chunk(chunk_id, now_ms())
    return len(chunk_ids) == retry.CHUNKS_AT_ONCE


def _close_cancelled(_number: int) -> bool:
    return closing.close_chunks_of_cancelled(now_ms()) > 0


def _close_finished(_number: int) -> bool:
    for campaign_id in closing.close_finished_campaigns():
        log.info("campaign.closed", campaign=campaign_id)
    return False


def _recover_imports(_number: int) -> bool:
    return maintenance.recover_imports()


def _purge(_number: int) -> bool:
    return maintenance.purge_retired_sets()


def _forget_drafts(_number: int) -> bool:
    return drafts.discard_old_drafts()


def _old_reports() -> Sized:
    return reports.old_reports(database_ms())


def _delete_old_reports(_number: int) -> bool:
    reports.delete_old_reports(database_ms())
    return False
