"""Many opt-outs at a time, in one statement. Both can be repeated without harm; to be called in a transaction."""

from collections.abc import Collection

import orjson
from django.db import connection
from django.utils import timezone

from sendmill.ids import COUNTER_MASK, new_object_ids

_ADD = """
INSERT INTO optouts_optout (client_id, created_on, modified_on, source, campaign_object_id, object_id, email, email_key)
SELECT %s, %s, %s, 'file', '', {object_id}, a.value->>0, coalesce(a.value->>3, a.value->>0)
FROM {addresses}
ORDER BY {place}
ON CONFLICT (client_id, email_key) DO NOTHING
"""
_ADD_SQLITE = _ADD.format(
    object_id=f"printf('%%s%%06x', %s, (%s + a.key) & {COUNTER_MASK})", addresses="json_each(%s) a", place="a.key"
)
_ADD_POSTGRESQL = _ADD.format(
    object_id=f"%s || lpad(to_hex((%s + a.place - 1) & {COUNTER_MASK}), 6, '0')",
    addresses="json_array_elements(CAST(%s AS json)) WITH ORDINALITY AS a (value, place)",
    place="a.place",
)

_DELETE_SQLITE = "DELETE FROM optouts_optout WHERE client_id = %s AND email_key IN (SELECT value FROM json_each(%s))"

# One search in the unique index for each key, whatever PostgreSQL thinks of this client: see contacts.contact_sets.
_DELETE_POSTGRESQL = """
DELETE FROM optouts_optout WHERE id IN (
    SELECT found.id FROM unnest(%s::text[]) AS wanted (email_key)
    CROSS JOIN LATERAL (
        SELECT id FROM optouts_optout
        WHERE client_id = (SELECT %s::bigint) AND email_key = wanted.email_key
        LIMIT 1
    ) AS found
)
"""


def add_optouts(client_id: int, contacts: str, count: int) -> None:
    """Opt the addresses of these contacts out. One that is opted out already keeps its record.

    `contacts` is the JSON text of an array of so many, each an array of the email as written, two things of no interest
    here, and the key if that is not the email.
    """
    now = timezone.now()
    prefix, first = new_object_ids(count)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_ADD_POSTGRESQL, [client_id, now, now, prefix, first, contacts])
        else:
            moment = connection.ops.adapt_datetimefield_value(now)
            cursor.execute(_ADD_SQLITE, [client_id, moment, moment, prefix, first, contacts])


def delete_optouts(client_id: int, keys: Collection[str]) -> None:
    """Delete the opt-outs with these keys."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_DELETE_POSTGRESQL, [list(keys), client_id])
        else:
            cursor.execute(_DELETE_SQLITE, [client_id, orjson.dumps(list(keys)).decode()])
