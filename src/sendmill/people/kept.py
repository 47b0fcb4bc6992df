"""All that is kept of a person: for the page about them, and for the person, who may ask for it (GDPR Art. 15)."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from sendmill.accounts.models import Client
from sendmill.addresses import InvalidAddress, address_key, parse_address
from sendmill.contacts.of_address import InGroup, groups_of_address
from sendmill.delivery.states import State
from sendmill.errors import NotFound
from sendmill.optouts.models import OptOut, OptOutChange, Suppression
from sendmill.optouts.registry import changes_of, find_optout
from sendmill.optouts.suppressions import find_suppression
from sendmill.results.history import Word, history_of, word_json
from sendmill.results.of_address import AddressResult, results_of_address
from sendmill.results.rows import time_text


class Person(NamedTuple):
    """An address and what is kept of it, but for its results."""

    email: str
    key: str
    groups: list[InGroup]
    optout: OptOut | None
    changes: list[OptOutChange]
    suppression: Suppression | None


def address_of(email: str) -> tuple[str, str]:
    """An address as it was written, and its key. Raises NotFound for what is none."""
    try:
        address = parse_address(email)
        return address, address_key(address)
    except InvalidAddress:
        raise NotFound("This is not an email address.") from None


def find_person(client: Client, email: str) -> Person:
    """What is kept of an address; nothing may be. Raises NotFound for what is no address."""
    address, key = address_of(email)
    groups = groups_of_address(client, key)
    return Person(
        email=groups[0].email if groups else address,
        key=key,
        groups=groups,
        optout=find_optout(client, address),
        changes=changes_of(client, key),
        suppression=find_suppression(client, key),
    )


def exported_person(client: Client, person: Person) -> Iterator[bytes]:
    """Everything as JSON, in pieces: results are gone through as long as it takes."""
    head = {
        "email": person.email,
        "groups": [
            {"tag": found.tag, "email": found.email, "name": found.name, **found.fields} for found in person.groups
        ],
        "opted_out": None if person.optout is None else _optout(person.optout),
        "opt_out_changes": [_change(change) for change in person.changes],
    }
    yield orjson.dumps(head, option=orjson.OPT_INDENT_2)[:-2] + b',\n  "results": ['
    separator, after = b"\n    ", ""
    while True:
        piece = results_of_address(client, person.key, after)
        for result in piece.results:
            yield separator + orjson.dumps(_result(result))
            separator = b",\n    "
        after = piece.next
        if not after:
            break
    yield b"\n  ]\n}\n"


def _optout(optout: OptOut) -> dict[str, Any]:
    return {"since": optout.created_on, "source": optout.source, "campaign_id": optout.campaign_object_id or None}


def _change(change: OptOutChange) -> dict[str, Any]:
    return {
        "opted_out": change.is_opted_out,
        "changed_on": change.changed_on,
        "campaign_id": change.campaign_object_id or None,
        "reason": change.reason or None,
    }


def _result(result: AddressResult) -> dict[str, Any]:
    row = result.row
    own = Word(State(row.state), row.attempts, row.modified_ms, row.reply_code, row.reply, row.relay)
    return {
        "campaign": result.campaign.name,
        "campaign_id": result.campaign.object_id,
        "email_from": result.campaign.frozen_sender,
        "email": row.email,
        "name": row.name,
        "fields": orjson.loads(row.fields),
        "disposition": row.disposition,
        "attempts": row.attempts,
        "reply_code": row.reply_code,
        "reply": row.reply,
        "history": [word_json(word) for word in history_of(row.id, own)],
        "start_date": time_text(row.start_ms),
        "modified_on": time_text(row.modified_ms),
    }
