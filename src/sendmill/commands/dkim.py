"""`sendmill dkim …`: keys of sending domains, and the DNS records that publish them."""

import json

from sendmill.commands.run import require_current_schema
from sendmill.delivery.dkim import public_key_record
from sendmill.senders import dkim_keys
from sendmill.senders.models import DkimKey

_STRING_OCTETS = 255  # of one string of a TXT record (RFC 1035 3.3)


def add(domain: str, selector: str | None, algorithm: str, as_json: bool) -> int:
    """Make a key and print its record."""
    require_current_schema()
    added = dkim_keys.add_key(domain, selector, algorithm)
    name = f"{added.selector}._domainkey.{added.domain}"
    value = public_key_record(added.key)
    if as_json:
        print(json.dumps({"domain": added.domain, "selector": added.selector, "name": name, "value": value}))
        return 0
    print(f"Mail from {added.domain} is signed with this key from now on. Publish it in DNS before the next campaign:")
    print(f"\n  name   {name}\n  type   TXT\n  value  {value}\n")
    print(f"As a line of a zone file:\n\n{zone_line(name, value)}")
    return 0


def show_all(as_json: bool) -> int:
    """Print every key's record; the first of a domain is the one that signs."""
    require_current_schema()
    records = [
        {
            "domain": row.domain,
            "selector": row.selector,
            "name": str(row),
            "value": public_key_record(dkim_keys.stored_key(row)),
        }
        for row in DkimKey.objects.order_by("domain", "-created_on", "-pk")
    ]
    if as_json:
        print(json.dumps(records))
    elif not records:
        print("There are no DKIM keys; `sendmill dkim add DOMAIN` makes one.")
    else:
        print("\n\n".join(zone_line(record["name"], record["value"]) for record in records))
    return 0


def remove(domain: str, selector: str) -> int:
    """Delete a key."""
    require_current_schema()
    dkim_keys.remove_key(domain, selector)
    print(f"The key {selector} of {domain} is deleted.")
    return 0


def zone_line(name: str, value: str) -> str:
    """The record for a zone file, in strings that DNS can hold."""
    strings = [value[begin : begin + _STRING_OCTETS] for begin in range(0, len(value), _STRING_OCTETS)]
    quoted = " ".join([f'"{string}"' for string in strings])
    return f"{name}. IN TXT ( {quoted} )"
