"""How many of a set's contacts the client must not mail, counted in pieces of bounded time.

Each address is looked for as the hand-off to the mail server looks for it: 1 µs for each, a million in a second. So
whoever asks goes on where the last piece ended.
"""

import time
from collections.abc import Iterator
from typing import NamedTuple

from django.db import connection

from sendmill.contacts.contact_sets import contact_page
from sendmill.contacts.models import ContactSet, Layout
from sendmill.contacts.pages import keys_of, places
from sendmill.optouts.hand_off import barred_keys

PIECE_SECONDS = 0.04


class Counted(NamedTuple):
    """`barred` of the `looked_through` first contacts must not be mailed; `next` is where to go on, None at the end."""

    looked_through: int
    barred: int
    next: int | None


NOTHING_COUNTED = Counted(0, 0, 0)


def count_barred(
    client_id: int, contact_set: ContactSet, so_far: Counted = NOTHING_COUNTED, seconds: float = PIECE_SECONDS
) -> Counted:
    """What is known when some more of the set has been looked through: those opted out, and those who were erased.

    Looks for `seconds`, and then on to the end of a page.
    """
    ends = time.monotonic() + seconds
    looked_through, barred, begin = so_far
    if begin is None:
        return so_far
    with connection.cursor() as cursor:
        for at, keys in _pages(contact_set, begin):
            if at > begin and time.monotonic() > ends:
                return Counted(looked_through, barred, at)
            barred += len(barred_keys(cursor, client_id, keys))
            looked_through += len(keys)
    return Counted(looked_through, barred, None)


def _pages(contact_set: ContactSet, begin: int) -> Iterator[tuple[int, list[str]]]:
    """The keys of the set's contacts, a page at a time, each with where it is."""
    if contact_set.layout == Layout.PAGES:
        for place in places(contact_set.pk, begin):
            yield place.number, keys_of(place)
        return
    while page := contact_page(contact_set.pk, begin):
        yield begin, [contact.row[0] for contact in page]
        begin = page[-1].id
