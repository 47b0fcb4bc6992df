"""`sendmill operator add`: the first operator of an installation that began without the dashboard."""

from django.db import transaction

from sendmill.accounts import operators
from sendmill.accounts.models import Kind
from sendmill.commands.audit import record
from sendmill.commands.preconditions import require_current_schema


def add(email: str) -> int:
    """Make a user an operator. Raises InvalidField for an address with which nobody signs in."""
    require_current_schema()
    with transaction.atomic():
        user = operators.make_operator(email)
        record(None, Kind.PEOPLE, "made an operator", user.email)
    print(f"{user.email} is an operator now.")
    return 0
