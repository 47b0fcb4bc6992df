"""Many opt-outs at a time, in one statement. Both can be repeated without harm; to be called in a transaction."""

import orjson
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from sendmill.ids import COUNTER_MASK, new_object_ids

_ADD = """
INSERT INTO optouts_optout (client_id, created_on, modified_on, source, campaign_object_id, object_id, email, email_key)
SELECT %s, %s, %s, 'file', '', {row}
"""
_IF_NEW = "ON CONFLICT (client_id, email_key) DO NOTHING"
_ADD_SQLITE = _ADD.format(
    row=f"printf('%%s%%06x', %s, (%s + a.key) & {COUNTER_MASK}), a.value->>0, coalesce(a.value->>3, a.value->>0)\n"
    "FROM json_each(%s) a ORDER BY a.key\n"
)

# PostgreSQL takes lists as text, a line each, for no address has a line break. JSON takes it 3 µs an address more, and
# in an array psycopg looks at each text for what to quote.
_ADD_POSTGRESQL = _ADD.format(
    row=f"%s || lpad(to_hex((%s + a.place - 1) & {COUNTER_MASK}), 6, '0'), a.email, a.email_key\n"
    "FROM unnest(string_to_array(%s, E'\\n'), string_to_array(%s, E'\\n'))\n"
    "WITH ORDINALITY AS a (email, email_key, place)\n"
)

_DELETE_SQLITE = "DELETE FROM optouts_optout WHERE client_id = %s AND email_key IN (SELECT value FROM json_each(%s))"

# One search in the unique index for each key, whatever PostgreSQL thinks of this client: see contacts.contact_sets.
_DELETE_POSTGRESQL = """
DELETE FROM optouts_optout WHERE id IN (
    SELECT found.id FROM unnest(string_to_array(%s, E'\\n')) AS wanted (email_key)
    CROSS JOIN LATERAL (
        SELECT id FROM optouts_optout
        WHERE client_id = (SELECT %s::bigint) AND email_key = wanted.email_key
        LIMIT 1
    ) AS found
)
"""


def add_optouts(client_id: int, contacts: str, emails: str, keys: str) -> None:
    """Opt addresses, each given once, out. One that is opted out already keeps its record.

    Each database takes them as it is quickest. `contacts` is the JSON text of an array, each an array of the email as
    written, two things of no interest here, and the address's key if that is not the email; `emails` and `keys` are
    the same a line each.
    """
    now = timezone.now()
    prefix, first = new_object_ids(keys.count("\n") + 1)
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            moment = connection.ops.adapt_datetimefield_value(now)
            cursor.execute(_ADD_SQLITE + _IF_NEW, [client_id, moment, moment, prefix, first, contacts])
            return
        values = client_id, now, now, prefix, first, emails, keys
        try:
            # If all are new, as they mostly are in a large file, PostgreSQL has no need to ask before each: 4.7 µs an
            # address instead of 7.2. If not, it finds that out early.
            with transaction.atomic():
                cursor.execute(_ADD_POSTGRESQL, values)
        except IntegrityError:
            cursor.execute(_ADD_POSTGRESQL + _IF_NEW, values)


def delete_optouts(client_id: int, keys: str) -> None:
    """Delete the opt-outs with these keys, a line each."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_DELETE_POSTGRESQL, [keys, client_id])
        else:
            cursor.execute(_DELETE_SQLITE, [client_id, orjson.dumps(keys.split("\n")).decode()])
