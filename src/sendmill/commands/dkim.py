"""`sendmill dkim …`: keys of sending domains, and the DNS records that publish them."""

import json

from django.db import transaction

from sendmill.accounts.clients import find_client
from sendmill.accounts.models import Kind
from sendmill.commands.audit import record
from sendmill.commands.preconditions import require_current_schema
from sendmill.senders import dkim_keys
from sendmill.senders.models import DkimKey

_STRING_OCTETS = 255  # of one string of a TXT record (RFC 1035 3.3)


def add(domain: str, selector: str | None, algorithm: str, client_id: str | None, as_json: bool) -> int:
    """Make a key and print its record."""
    require_current_schema()
    client = None if client_id is None else find_client(client_id)
    with transaction.atomic():
        added = dkim_keys.add_key(domain, selector, algorithm, client)
        record(client, Kind.SENDERS, "made a DKIM key", f"{added.selector}._domainkey.{added.domain}")
    name = f"{added.selector}._domainkey.{added.domain}"
    value = dkim_keys.public_key_record(added.key)
    if as_json:
        print(json.dumps({"domain": added.domain, "selector": added.selector, "name": name, "value": value}))
        return 0
    whose = "Mail" if client is None else f"{client.name}'s mail"
    print(f"{whose} from {added.domain} is signed with this key from now on.")
    print("Publish it in DNS before the next campaign:")
    print(f"\n  name   {name}\n  type   TXT\n  value  {value}\n")
    print(f"As a line of a zone file:\n\n{zone_line(name, value)}")
    return 0


def show_all(as_json: bool) -> int:
    """Print every key's record; the first of a domain is the one that signs. Of one that can't be read, why."""
    require_current_schema()
    rows = DkimKey.objects.select_related("client").order_by("domain", "-created_on", "-pk")
    records = [_record(row) for row in rows]
    if as_json:
        print(json.dumps(records))
    elif not records:
        print("There are no DKIM keys; `sendmill dkim add DOMAIN` makes one.")
    else:
        print("\n\n".join(_zone_entry(record) for record in records))
    return 1 if any(record["error"] for record in records) else 0


def _record(row: DkimKey) -> dict[str, str | None]:
    value = error = None
    try:
        value = dkim_keys.public_key_record(dkim_keys.stored_key(row))
    except dkim_keys.UnreadableKey as problem:
        error = str(problem)
    client_id = row.client.object_id if row.client else None
    return {
        "domain": row.domain, "selector": row.selector, "client_id": client_id, "name": str(row), "value": value,
        "error": error,
    }  # fmt: skip


def _zone_entry(record: dict[str, str | None]) -> str:
    """A comment that says whose mail it signs, and the record."""
    whose = f"client {record['client_id']}" if record["client_id"] else "everybody"
    if record["value"] is None:
        return f"; {record['error']}"
    return f"; signs the mail of {whose}\n{zone_line(str(record['name']), record['value'])}"


def remove(domain: str, selector: str) -> int:
    """Delete a key."""
    require_current_schema()
    with transaction.atomic():
        removed = dkim_keys.remove_key(domain, selector)
        record(removed.client, Kind.SENDERS, "deleted a DKIM key", str(removed))
    print(f"The key {selector} of {domain} is deleted.")
    return 0


def zone_line(name: str, value: str) -> str:
    """The record for a zone file, in strings that DNS can hold."""
    strings = [value[begin : begin + _STRING_OCTETS] for begin in range(0, len(value), _STRING_OCTETS)]
    quoted = " ".join([f'"{string}"' for string in strings])
    return f"{name}. IN TXT ( {quoted} )"
