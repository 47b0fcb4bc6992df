"""`sendmill prune`: deletes what is older than the retention settings say, in short batches."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone

from sendmill.accounts.models import AuditEntry, Kind
from sendmill.commands.audit import record
from sendmill.commands.preconditions import require_current_schema
from sendmill.contacts import maintenance
from sendmill.contacts.models import Import, ImportState, RejectedRow
from sendmill.delivery.models import Chunk
from sendmill.delivery.pruning import delete_next, ended_campaigns, is_begun
from sendmill.errors import SendmillError
from sendmill.results.archive import archive_path, write_archive

ROWS_A_BATCH = 2_000
MOST_DAYS = 36_500
"""Nothing is older, and before year 1 there is no date."""

DUTY = 0.5
"""The part of the time in which batches hold the database's write lock; in the rest it is the others'."""


class Keeping(NamedTuple):
    """For how many days things are kept, None: for ever."""

    results: int | None
    imports: int | None
    audit: int | None


def prune(keeping: Keeping, archive: Path | None, dry_run: bool) -> int:
    """Delete what is old, and say how much it was."""
    require_current_schema()
    now = timezone.now()
    if keeping.results is not None:
        _prune_results(_before(now, keeping.results), archive, dry_run)
    if keeping.imports is not None:
        ended = Import.objects.filter(
            state__in=(ImportState.DONE, ImportState.FAILED), modified_on__lt=_before(now, keeping.imports)
        )
        _prune_rows("rows rejected by old imports", RejectedRow.objects.filter(of_import__in=ended), dry_run)
        _prune_rows("old imports", ended, dry_run)
    if keeping.audit is not None:
        old = AuditEntry.objects.filter(happened_on__lt=_before(now, keeping.audit))
        _prune_rows("entries of the audit log", old, dry_run)
    _prune_rows("sessions that have ended", Session.objects.filter(expire_date__lt=now), dry_run)
    locked_until = now - settings.AXES_COOLOFF_TIME
    _prune_rows("failed logins", AccessAttempt.objects.filter(attempt_time__lt=locked_until), dry_run)
    if not dry_run:
        while _gently(maintenance.purge_retired_sets):
            pass
        record(None, Kind.SETTINGS, "pruned", _words(keeping))
    if keeping.results is None:
        print("Results are kept for ever: SENDMILL_KEEP_RESULTS_DAYS is not set.")
    return 0


def _before(now: datetime, days: int) -> datetime:
    return now - timedelta(days=min(days, MOST_DAYS))


def _words(keeping: Keeping) -> str:
    """What was older than how many days."""
    return ", ".join(f"{name} of {days} days" for name, days in keeping._asdict().items() if days is not None)


def _prune_results(before: datetime, archive: Path | None, dry_run: bool) -> None:
    campaigns = deleted = 0
    for campaign in ended_campaigns(before):
        campaigns += 1
        if dry_run:
            deleted += sum(Chunk.objects.filter(campaign=campaign).values_list("rows", flat=True))
            continue
        # One whose deletion broke off has its file already, with what is deleted by now; if it has one.
        if archive is not None and not (is_begun(campaign) and archive_path(archive, campaign).exists()):
            try:
                write_archive(archive, campaign)
            except OSError as error:
                raise SendmillError(
                    f"{archive} can't be written: {error.strerror}. Nothing was deleted of it."
                ) from None
        while count := _gently(partial(delete_next, campaign.pk)):
            deleted += count
    _say(f"results of {campaigns} campaigns that ended before {before:%Y-%m-%d %H:%M} UTC", deleted, dry_run)


def _prune_rows(what: str, rows: "QuerySet[Any]", dry_run: bool) -> None:
    deleted = 0
    if dry_run:
        deleted = rows.count()
    else:
        while keys := list(rows.order_by("pk").values_list("pk", flat=True)[:ROWS_A_BATCH]):
            deleted += _gently(partial(_delete, rows, keys))
    _say(what, deleted, dry_run)


def _delete(rows: "QuerySet[Any]", keys: Sequence[Any]) -> int:
    rows.filter(pk__in=keys).delete()
    return len(keys)


def _gently(act: Callable[[], int]) -> int:
    """Do it, and then leave the database to the others for as long."""
    began = time.monotonic()
    done = act()
    time.sleep((time.monotonic() - began) * (1 - DUTY) / DUTY)
    return done


def _say(what: str, count: int, dry_run: bool) -> None:
    print(f"{count:>12,} {what}{' would be deleted' if dry_run else ' deleted'}")
