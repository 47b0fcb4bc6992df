"""`sendmill client …` and `sendmill token add`: clients, their first users, the footer of their messages, tokens."""

import json

from django.db import transaction

from sendmill import schema
from sendmill.accounts import clients, new_passwords
from sendmill.accounts.models import Kind
from sendmill.accounts.tokens import issue_token
from sendmill.commands.audit import record
from sendmill.commands.preconditions import require_current_schema
from sendmill.web.password_mail import link

_MADE_HERE = "command line"


def add(name: str, email: str, password: str | None, as_json: bool) -> int:
    """Make a client with its first user, and print how to use it. Who has no password gets a link to choose one."""
    schema.migrate()
    with transaction.atomic():
        client, user, token = clients.add_client(name, email, password)
        record(client, Kind.PEOPLE, "made the client", client.name)
    chooses = link(new_passwords.key_of(user)) if password is None else None
    if as_json:
        made = {"client_id": client.object_id, "username": user.email, "token": token}
        print(json.dumps(made if chooses is None else {**made, "link": chooses}))
    else:
        print(f"client    {client.object_id}\nusername  {user.email}\ntoken     {token}   (shown this once)")
        if chooses:
            print(f"password  {chooses}   (chosen here, once, within 3 days)")
    return 0


def add_token(client_id: str, as_json: bool) -> int:
    """Issue a token and print it."""
    require_current_schema()
    client = clients.find_client(client_id)
    with transaction.atomic():
        token = issue_token(client, None, _MADE_HERE)
        record(client, Kind.TOKENS, "made an API token", _MADE_HERE)
    print(json.dumps({"token": token}) if as_json else f"token  {token}   (shown this once)")
    return 0


def set_footer(
    client_id: str, footer: str | None, postal_address: str | None, language: str | None, as_json: bool
) -> int:
    """Set what is given, and print how things are."""
    require_current_schema()
    client = clients.find_client(client_id)
    adds_footer = None if footer is None else footer == "on"
    given = {"adds_footer": adds_footer, "postal_address": postal_address, "language": language}
    changed = [name for name, value in given.items() if value is not None]
    with transaction.atomic():
        clients.set_footer(client, adds_footer=adds_footer, postal_address=postal_address, language=language)
        if changed:
            record(client, Kind.SETTINGS, "changed the settings", ", ".join(changed))
    if as_json:
        shown = {"footer": client.adds_footer, "postal_address": client.postal_address, "language": client.language}
        print(json.dumps(shown))
    else:
        print(f"footer          {'on' if client.adds_footer else 'off'}")
        print(f"postal address  {client.postal_address.replace(chr(10), ', ') or '(none)'}")
        print(f"language        {client.language}")
    return 0
