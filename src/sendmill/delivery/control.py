"""Pause, resume and cancel, acknowledged when they hold.

The status is in the database as soon as it is committed, and no worker marks another row after that. But rows that
were marked just before may still wait for a connection. So a pause or cancel returns when every worker with a chunk of
the campaign has said that it lets nothing more begin: then no more messages leave than are in open SMTP transactions.
"""

import time

import structlog
from django.db import transaction

from sendmill.accounts.models import Client
from sendmill.campaigns import lifecycle
from sendmill.campaigns.models import Status
from sendmill.delivery.models import Chunk

log = structlog.get_logger()

# Workers look ten times a second. One that takes longer than this is hung, cut off or dead; its lease will end.
MOST_SECONDS = 3.0
POLL_SECONDS = 0.02


def set_status(client: Client, object_id: str, status: str) -> None:
    """Set a campaign's status as `lifecycle.set_status` does, and wait until the workers have let go.

    Not to be called in a transaction. Raises NotFound and InvalidField("status").
    """
    with transaction.atomic():
        lifecycle.set_status(client, object_id, status)
    if status in (Status.PAUSED, Status.CANCELLED) and not _is_let_go(object_id):
        log.warning("campaign.worker_does_not_let_go", campaign=object_id, status=status)


def _is_let_go(object_id: str) -> bool:
    """Wait until no worker holds a chunk of the campaign that it has not let go; whether that came about."""
    deadline = time.monotonic() + MOST_SECONDS
    while True:
        held = Chunk.objects.filter(campaign__object_id=object_id.lower(), is_let_go=False, lease_until_ms__gt=0)
        if not held.exclude(owner="").exists():
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
