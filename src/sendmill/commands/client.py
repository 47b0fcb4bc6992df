"""`sendmill client set`: the footer of a client's messages."""

import json

from sendmill.accounts.clients import find_client, set_footer
from sendmill.commands.preconditions import require_current_schema


def set_client(
    client_id: str, footer: str | None, postal_address: str | None, language: str | None, as_json: bool
) -> int:
    """Set what is given, and print how things are."""
    require_current_schema()
    client = find_client(client_id)
    adds_footer = None if footer is None else footer == "on"
    set_footer(client, adds_footer=adds_footer, postal_address=postal_address, language=language)
    if as_json:
        shown = {"footer": client.adds_footer, "postal_address": client.postal_address, "language": client.language}
        print(json.dumps(shown))
    else:
        print(f"footer          {'on' if client.adds_footer else 'off'}")
        print(f"postal address  {client.postal_address.replace(chr(10), ', ') or '(none)'}")
        print(f"language        {client.language}")
    return 0
