"""Retention: what is old goes, whole and in short batches, and what is told of a campaign stays true."""

import gzip
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from sendmill.accounts import audit
from sendmill.accounts.models import AuditEntry, Client, Kind
from sendmill.campaigns.models import Campaign, Phase, Status
from sendmill.commands.prune import Keeping, prune
from sendmill.contacts.models import Import, ImportKind, RejectedRow
from sendmill.delivery import pruning
from sendmill.delivery.chunk_counts import free_chunk
from sendmill.delivery.closing import close_finished_campaigns
from sendmill.delivery.models import Chunk, Delivery, DeliveryAttempt
from sendmill.delivery.progress import count_campaign
from sendmill.delivery.retry import retry_failed
from sendmill.delivery.states import State
from sendmill.errors import Conflict, SendmillError
from sendmill.results.queries import iterate_results
from tests.database.campaigns.making import make_client, make_group
from tests.database.contacts.making import bulk, csv_file, emails_of
from tests.database.delivery.making import expanded_campaign

pytestmark = pytest.mark.django_db

ROWS = 10


def ended_campaign(client: Client, days_ago: int, count: int = 45) -> Campaign:
    """A completed campaign in chunks of `ROWS`, with one failed recipient in each."""
    campaign = expanded_campaign(count, ROWS, client)
    for chunk_id in Chunk.objects.filter(campaign=campaign).values_list("pk", flat=True):
        rows = Delivery.objects.filter(pk__gte=chunk_id << 10, pk__lt=(chunk_id + 1) << 10)
        rows.update(state=State.DELIVERED, attempts=1, reply="250 kept", relay="mx:25")
        Delivery.objects.filter(pk=chunk_id << 10).update(state=State.FAILED, reply_code=550, reply="unknown")
        with connection.cursor() as cursor:
            free_chunk(cursor, chunk_id)
    assert close_finished_campaigns() == [campaign.pk]
    Campaign.objects.filter(pk=campaign.pk).update(modified_on=timezone.now() - timedelta(days=days_ago))
    campaign.refresh_from_db()
    return campaign


def results(client: Client, campaign: Campaign) -> list[dict[str, object]]:
    pieces = iterate_results(client, "2000-01-01", "2100-01-01", campaign.object_id)
    found: list[dict[str, object]] = json.loads(b"[" + b",".join(pieces) + b"]")
    return found


def test_old_results_go_into_the_archive_and_the_counts_stay(tmp_path: Path) -> None:
    client = make_client()
    old, young = ended_campaign(client, 40), ended_campaign(client, 20)
    for delivery in Delivery.objects.filter(state=State.FAILED):
        earlier = {"state": State.DEFERRED, "attempts": 0, "reply_code": 451, "reply": "busy", "relay": "mx:25"}
        DeliveryAttempt.objects.create(delivery=delivery, recorded_ms=1_000, **earlier)
    before, counts = results(client, old), count_campaign(old.pk)
    assert prune(Keeping(30, None, None), tmp_path, dry_run=False) == 0
    assert results(client, old) == []
    assert len(results(client, young)) == 45
    assert Delivery.objects.count() == 45
    assert count_campaign(old.pk) == counts
    assert counts.by_state == {State.DELIVERED: 40, State.FAILED: 5}
    (archived,) = tmp_path.rglob("*.gz")
    assert archived.name == f"{old.object_id}.jsonl.gz"
    assert archived.stat().st_mode & 0o077 == 0
    lines = [json.loads(line) for line in gzip.decompress(archived.read_bytes()).splitlines()]
    assert [{key: line[key] for key in before[0]} for line in lines] == before
    assert Counter(line["reply"] for line in lines) == {"250 kept": 40, "unknown": 5}
    histories = [[word["reply"] for word in line["history"]] for line in lines if "history" in line]
    assert histories == [["busy", "unknown"]] * 5
    assert DeliveryAttempt.objects.count() == 5
    old.refresh_from_db()
    assert (old.phase, old.status) == (Phase.CLOSED, Status.COMPLETED)
    with pytest.raises(Conflict, match="have been deleted"):
        retry_failed(client, old.object_id)
    assert retry_failed(client, young.object_id) == 5


def test_a_prune_that_broke_off_goes_on_and_keeps_its_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = make_client()
    campaign = ended_campaign(client, 40)
    steps = 0
    delete_next = pruning.delete_next

    def break_off(campaign_id: int) -> int:
        nonlocal steps
        steps += 1
        if steps == 2:
            raise KeyboardInterrupt
        return delete_next(campaign_id)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("sendmill.commands.prune.delete_next", break_off)
        prune(Keeping(30, None, None), tmp_path, dry_run=False)
    assert 0 < Delivery.objects.count() < 45
    prune(Keeping(30, None, None), tmp_path, dry_run=False)
    assert Delivery.objects.count() == 0
    (archived,) = tmp_path.rglob("*.gz")
    assert len(gzip.decompress(archived.read_bytes()).splitlines()) == 45
    assert set(Chunk.objects.filter(campaign=campaign).values_list("rows", flat=True)) == {0}


def test_what_a_prune_without_an_archive_left_is_archived(tmp_path: Path) -> None:
    campaign = ended_campaign(make_client(), 40)
    deleted = pruning.delete_next(campaign.pk)
    assert 0 < deleted < 45
    prune(Keeping(30, None, None), tmp_path, dry_run=False)
    (archived,) = tmp_path.rglob("*.gz")
    assert len(gzip.decompress(archived.read_bytes()).splitlines()) == 45 - deleted


def test_nothing_is_deleted_that_is_not_in_the_archive(tmp_path: Path) -> None:
    ended_campaign(make_client(), 40)
    (tmp_path / "file").touch()
    with pytest.raises(SendmillError, match="can't be written"):
        prune(Keeping(30, None, None), tmp_path / "file", dry_run=False)
    assert Delivery.objects.count() == 45


def test_only_what_has_ended_goes(capsys: pytest.CaptureFixture[str]) -> None:
    running = expanded_campaign(30)
    Campaign.objects.update(modified_on=timezone.now() - timedelta(days=400))
    ended = ended_campaign(make_client(), 400)
    prune(Keeping(30, None, None), None, dry_run=True)
    assert "45 results of 1 campaigns" in capsys.readouterr().out
    assert Delivery.objects.count() == 75
    prune(Keeping(None, None, None), None, dry_run=False)
    assert Delivery.objects.count() == 75
    # Taken up again after it was chosen: nothing of it is touched.
    Campaign.objects.filter(pk=ended.pk).update(phase=Phase.SENDING)
    assert pruning.delete_next(ended.pk) == 0
    Campaign.objects.filter(pk=ended.pk).update(phase=Phase.CLOSED)
    prune(Keeping(30, None, None), None, dry_run=False)
    assert Delivery.objects.count() == 30
    assert Chunk.objects.get(campaign=running).rows == 30


def test_old_imports_go_with_what_they_rejected_and_lists_stay() -> None:
    group = make_group(make_client())
    for _ in range(2):
        bulk(ImportKind.REPLACE, group, csv_file("name,email", "A,a@example.com", "B,nobody"))
    first = Import.objects.order_by("pk").first()
    assert first is not None
    Import.objects.filter(pk=first.pk).update(modified_on=timezone.now() - timedelta(days=91))
    prune(Keeping(None, 90, None), None, dry_run=False)
    assert not Import.objects.filter(pk=first.pk).exists()
    assert RejectedRow.objects.count() == Import.objects.count() == 1
    assert emails_of(group) == ["a@example.com"]


def test_old_entries_of_the_audit_log_go_and_the_rest_is_kept_without_a_setting() -> None:
    for client in (make_client(), None):
        for subject in ("old", "new"):
            audit.record(client, audit.command_line(), Kind.SETTINGS, "did", subject)
    AuditEntry.objects.filter(subject="old").update(happened_on=timezone.now() - timedelta(days=366))
    prune(Keeping(None, None, None), None, dry_run=False)
    prune(Keeping(None, None, 365), None, dry_run=True)
    assert AuditEntry.objects.filter(subject="old").count() == 2
    prune(Keeping(None, None, 365), None, dry_run=False)
    assert not AuditEntry.objects.filter(subject="old").exists()
    assert AuditEntry.objects.filter(subject="new").count() == 2
    pruned = AuditEntry.objects.filter(client=None, action="pruned").order_by("pk")
    assert list(pruned.values_list("subject", flat=True)) == ["", "audit of 365 days"]


def test_as_many_days_as_anybody_says() -> None:
    campaign = ended_campaign(make_client(), days_ago=40)
    assert prune(Keeping(10**9, 10**9, 10**9), None, dry_run=False) == 0
    assert Chunk.objects.filter(campaign=campaign).exists()
