"""`sendmill status`: what is being sent, how far it is, and how the relays are."""

import json
from datetime import datetime
from typing import Any

from django.utils import timezone

from sendmill.accounts.clients import find_client
from sendmill.campaigns.models import Campaign, Phase, Status
from sendmill.commands.preconditions import require_current_schema
from sendmill.commands.reporting import one_line
from sendmill.delivery.progress import Progress, progress_of
from sendmill.delivery.reports import RelayStatus, Reports, read_reports


def show_status(client_id: str | None, as_json: bool) -> int:
    """Print every campaign that isn't finished, and the relays."""
    require_current_schema()
    unfinished = Campaign.objects.exclude(phase=Phase.CLOSED).select_related("client").order_by("starts_at", "pk")
    if client_id is not None:
        unfinished = unfinished.filter(client=find_client(client_id))
    now, reports = timezone.now(), read_reports()
    found = unfinished.defer("frozen_body", "frozen_subject").iterator()
    campaigns = ((campaign, progress_of(campaign, reports, now)) for campaign in found)
    if as_json:
        told = [_campaign_fields(campaign, progress) for campaign, progress in campaigns]
        relays = [_relay_fields(relay) for relay in reports.relays]
        print(json.dumps({"workers": reports.workers, "relays": relays, "campaigns": told}))
        return 0
    print(_heading(reports))
    for relay in reports.relays:
        print(_relay_line(relay))
    count = 0
    for campaign, progress in campaigns:
        count += 1
        print()
        print("\n".join(_campaign_lines(campaign, progress, now)))
    if not count:
        print("\nNo campaign is waiting or being sent.")
    return 0


def _campaign_fields(campaign: Campaign, progress: Progress) -> dict[str, Any]:
    return {
        "campaign_id": campaign.object_id,
        "client_id": campaign.client.object_id,
        "name": campaign.name,
        "status": campaign.status,
        "phase": campaign.phase,
        "starts_at": _iso(campaign.starts_at),
        "recipients": progress.recipients,
        "complete": progress.complete,
        "dispositions": progress.counts,
        "rate": round(progress.rate, 1),
        "expected_end": _iso(progress.expected_end),
        "next_retry": _iso(progress.next_retry),
    }


def _relay_fields(relay: RelayStatus) -> dict[str, Any]:
    return {
        "name": relay.name,
        "state": relay.state,
        "retry_seconds": relay.retry_seconds,
        "last_error": relay.last_error,
        "open_connections": relay.open_connections,
        "in_hand": relay.in_hand,
    }


def _heading(reports: Reports) -> str:
    if not reports.workers:
        return "No worker process is running."
    return f"{reports.workers} worker process{'es' if reports.workers > 1 else ''}"


def _relay_line(relay: RelayStatus) -> str:
    line = f"  relay {relay.name}  {relay.state}"
    if relay.retry_seconds is not None:
        line += f", tried again in {relay.retry_seconds:.0f} s"
    line += f"  {relay.open_connections} connections, {relay.in_hand} messages in hand"
    return line + (f"\n    last error: {relay.last_error}" if relay.last_error else "")


def _campaign_lines(campaign: Campaign, progress: Progress, now: datetime) -> list[str]:
    lines = [f"{campaign.object_id}  {one_line(campaign.name)}"]
    state = campaign.status
    if campaign.phase == Phase.WAITING and campaign.status == Status.ACTIVE:
        state = f"starts {_clock(campaign.starts_at, now)} (in {_duration((campaign.starts_at - now).total_seconds())})"
    lines.append(f"  {state}  client {campaign.client.object_id}")
    if progress.recipients:
        share = 100 * progress.complete / progress.recipients
        lines.append(f"  {progress.complete} of {progress.recipients} complete ({share:.1f} %)")
        counts = [f"{count} {disposition}" for disposition, count in progress.counts.items() if count]
        lines.append(f"  {', '.join(counts)}")
    if progress.rate:
        end = f", queued ones done about {_clock(progress.expected_end, now)}" if progress.expected_end else ""
        lines.append(f"  {progress.rate:.1f} messages/s{end}")
    if progress.next_retry:
        lines.append(f"  next retry {_clock(progress.next_retry, now)}")
    return lines


def _clock(moment: datetime, now: datetime) -> str:
    """The time of day, with the date unless it is today; UTC."""
    form = "%H:%M:%S UTC" if moment.date() == now.date() else "%Y-%m-%d %H:%M UTC"
    return moment.strftime(form)


def _duration(seconds: float) -> str:
    """`3 days`, `2 h`, `5 min` or `10 s`, rounded down."""
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")
