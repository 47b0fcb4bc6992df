"""What commands change of a client goes into its audit log, like what people do on pages."""

from sendmill.accounts import audit
from sendmill.accounts.models import Client, Kind


def record(client: Client | None, kind: Kind, action: str, subject: str = "") -> None:
    """Note what the command has just done. Without a client it concerns the installation."""
    audit.record(client, audit.command_line(), kind, action, subject)
