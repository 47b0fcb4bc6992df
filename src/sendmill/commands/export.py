"""`sendmill export …`: contacts and results as CSV files."""

import sys
from collections.abc import Iterable

from sendmill.accounts.clients import find_client
from sendmill.accounts.resources import find
from sendmill.commands.preconditions import require_current_schema
from sendmill.contacts.export import exported_contacts
from sendmill.contacts.models import ContactGroup
from sendmill.results.export import exported_results
from sendmill.results.queries import parse_period


def export_contacts(client_id: str, group_id: str, raw: bool) -> int:
    """Write a group's contacts to standard output."""
    require_current_schema()
    group = find(ContactGroup, find_client(client_id), group_id)
    return _write(exported_contacts(group.contact_set_id, raw=raw))


def export_results(client_id: str, start_date: str, end_date: str, campaign_id: str | None, raw: bool) -> int:
    """Write the results of a period to standard output."""
    require_current_schema()
    period = parse_period(start_date, end_date)
    return _write(exported_results(find_client(client_id), period, campaign_id, raw=raw))


def _write(pieces: Iterable[bytes]) -> int:
    try:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # `| head` has seen enough; and Python would say so once more at its end
        sys.stderr.close()
    return 0
