"""Many opt-outs at a time, in one statement. Both can be repeated without harm; to be called in a transaction."""

from collections.abc import Collection

import orjson
from django.db import connection
from django.utils import timezone

from sendmill.ids import new_object_id

_ADD = """
INSERT INTO optouts_optout (client_id, created_on, modified_on, source, campaign_object_id, object_id, email, email_key)
{rows}
ON CONFLICT (client_id, email_key) DO NOTHING
"""
# WHERE keeps ON from being taken for a join's.
_ADD_SQLITE = _ADD.format(
    rows="SELECT %s, %s, %s, 'file', '', value->>0, value->>1, value->>2 FROM json_each(%s) WHERE true"
)
_ADD_POSTGRESQL = _ADD.format(rows="SELECT %s, %s, %s, 'file', '', * FROM unnest(%s::text[], %s::text[], %s::text[])")

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


def add_optouts(client_id: int, addresses: Collection[tuple[str, str]]) -> None:
    """Opt out addresses (email as written, key). One that is opted out already keeps its record."""
    now = timezone.now()
    rows = [(new_object_id(), email, key) for email, key in addresses]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            columns = [list(column) for column in zip(*rows, strict=True)]
            cursor.execute(_ADD_POSTGRESQL, [client_id, now, now, *columns])
        else:
            moment = connection.ops.adapt_datetimefield_value(now)
            cursor.execute(_ADD_SQLITE, [client_id, moment, moment, orjson.dumps(rows).decode()])


def delete_optouts(client_id: int, keys: Collection[str]) -> None:
    """Delete the opt-outs with these keys."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_DELETE_POSTGRESQL, [list(keys), client_id])
        else:
            cursor.execute(_DELETE_SQLITE, [client_id, orjson.dumps(list(keys)).decode()])
