"""The last look before a message is handed to the mail server: who may not get it."""

from collections.abc import Collection

from django.db.backends.utils import CursorWrapper

from sendmill.optouts.suppressions import ERASED_ADDRESS, suppressed_among

# The second half is one row, of an empty key, if the client has erased anybody: hardly any client has, and those that
# haven't are spared the digests.
_OPTED_OUT = """
SELECT email_key FROM optouts_optout WHERE client_id = %s AND email_key IN ({marks})
UNION ALL SELECT '' WHERE EXISTS (SELECT 1 FROM optouts_suppression WHERE client_id = %s)
"""


def barred_keys(cursor: CursorWrapper, client_id: int, email_keys: Collection[str]) -> set[str]:
    """Those of these addresses' keys (at least one) that the client must not mail, as of now."""
    marks = ",".join(["%s"] * len(email_keys))
    cursor.execute(_OPTED_OUT.format(marks=marks), [client_id, *email_keys, client_id])
    barred = {key for (key,) in cursor.fetchall()}
    if "" in barred:
        barred.discard("")
        barred |= suppressed_among(client_id, email_keys)
    if ERASED_ADDRESS in email_keys:
        barred.add(ERASED_ADDRESS)
    return barred
