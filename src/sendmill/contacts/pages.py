"""The pages that a contact set of that layout is made of: read in order, written in order.

A page joins the fragments of up to PAGE_CONTACTS contacts. Every read is short, and so is every transaction.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import orjson
from django.db import connection, transaction
from django.db.models import Sum

from sendmill.contacts.fragments import StoredContact, address_fragment
from sendmill.contacts.models import ContactPage, SetPage

PAGE_CONTACTS = 1_000
"""A page has no more contacts than a chunk of a campaign has recipients: one becomes the other."""

PAGE_BYTES = 1 << 19
"""What the contacts of a page take at most, unless a single one takes more."""

POSITION_SHIFT = 10
"""A contact's position in a set is the number of its page, shifted by this, and its place in the page."""

_BETWEEN = ",\n"  # a line break stands nowhere else in JSON: a page is taken apart without being parsed
_PLAIN_BEGIN, _PLAIN_END = address_fragment("\n", "\n").split("\n")

_TRANSACTION_BYTES = 1 << 20
_TRANSACTION_PLACES = 500
_PLACES_A_READ = 1_000


class Place(NamedTuple):
    """Where a page stands in a set."""

    number: int
    page_id: int
    size: int

    @property
    def first_position(self) -> int:
        return self.number << POSITION_SHIFT


class Page(NamedTuple):
    """What a page holds."""

    place: Place
    keys: list[str]
    contacts: str

    @classmethod
    def of(cls, place: Place, keys: list[str], fragments: list[str]) -> "Page":
        """The page of these contacts."""
        return cls(place, keys, f"[{_BETWEEN.join(fragments)}]")

    @property
    def fragments(self) -> list[str]:
        """The contacts, not taken apart."""
        return self.contacts[1:-1].split(_BETWEEN)


def places(contact_set_id: int, from_number: int = 0, at_once: int = _PLACES_A_READ) -> Iterator[Place]:
    """The pages of a set in order, from the one of this number; so many are read at once."""
    rows = SetPage.objects.filter(contact_set_id=contact_set_id).order_by("number")
    while True:
        found = list(rows.filter(number__gte=from_number).values_list("number", "page_id", "size")[:at_once])
        yield from map(Place._make, found)
        if len(found) < at_once:
            return
        from_number = found[-1][0] + 1


def count_pages(contact_set_id: int) -> int:
    """How many pages a set has."""
    return SetPage.objects.filter(contact_set_id=contact_set_id).count()


def count_contacts(contact_set_id: int) -> int:
    """How many contacts a set has."""
    found = SetPage.objects.filter(contact_set_id=contact_set_id).aggregate(contacts=Sum("size"))
    return found["contacts"] or 0


def keys_of(place: Place) -> list[str]:
    """The email keys of a page."""
    keys: str = ContactPage.objects.values_list("keys", flat=True).get(pk=place.page_id)
    return keys.split("\n")


def read_page(place: Place) -> Page:
    """All of a page of a set that can't have been purged."""
    keys, contacts = ContactPage.objects.values_list("keys", "contacts").get(pk=place.page_id)
    return Page(place, keys.split("\n"), contacts)


def find_contacts(place: Place) -> str | None:
    """The contacts of a page as the text of a JSON array, None if it has been purged."""
    return ContactPage.objects.filter(pk=place.page_id).values_list("contacts", flat=True).first()


class Addresses(NamedTuple):
    """The addresses of some pages, in the two forms in which databases take them: the text of a JSON array of the
    contacts, and their emails and keys, a line each."""

    contacts: str
    emails: str
    keys: str

    @classmethod
    def of(cls, contacts: str, keys: str) -> "Addresses":
        """Mostly each email is its key, and nothing else is known: that is seen without parsing (1.5 µs an address)."""
        plain = f"[{_PLAIN_BEGIN}{keys.replace(chr(10), _PLAIN_END + _BETWEEN + _PLAIN_BEGIN)}{_PLAIN_END}]"
        emails = keys if contacts == plain else "\n".join([contact[0] for contact in orjson.loads(contacts)])
        return cls(contacts, emails, keys)


def addresses_of(found: Sequence[Place]) -> Addresses:
    """The addresses of these pages, of a set that can't have been purged."""
    numbers = [place.page_id for place in found]
    rows = ContactPage.objects.filter(pk__in=numbers).values_list("pk", "contacts", "keys")
    by_number = {number: (contacts, keys) for number, contacts, keys in rows}
    contacts = _BETWEEN.join(by_number[number][0][1:-1] for number in numbers)
    return Addresses.of(f"[{contacts}]", "\n".join(by_number[number][1] for number in numbers))


def contacts_of(page: Page) -> list[StoredContact]:
    """The contacts of a page."""
    contacts: list[StoredContact] = orjson.loads(page.contacts)
    return contacts


class PageWriter:
    """Writes the pages of a set, in short transactions, in each of which `on_write` is called first.

    Contacts are gathered to full pages; `share` puts a page of another set behind them as it is. Call `close` at last.
    """

    def __init__(self, contact_set_id: int, on_write: Callable[[], None]) -> None:
        self._contact_set_id = contact_set_id
        self._on_write = on_write
        self._number = 0
        self._keys: list[str] = []
        self._fragments: list[str] = []
        self._new: list[ContactPage] = []
        self._places: list[tuple[int, ContactPage, int]] = []
        self._bytes = 0

    def extend(self, keys: Sequence[str], fragments: Sequence[str]) -> None:
        """Put contacts behind those before."""
        self._keys += keys
        self._fragments += fragments
        while len(self._keys) >= PAGE_CONTACTS:
            self._end_page(PAGE_CONTACTS)

    def share(self, place: Place) -> None:
        """Put the page at `place` of another set behind the contacts so far."""
        self._end_page(len(self._keys))
        self._add_place(ContactPage(pk=place.page_id), place.size)

    def close(self) -> None:
        """Write what is left."""
        self._end_page(len(self._keys))
        self._write()

    def _end_page(self, count: int) -> None:
        """Make pages of the first `count` contacts: one, or more if they are long."""
        keys, fragments = self._keys[:count], self._fragments[:count]
        del self._keys[:count], self._fragments[:count]
        while keys:
            fitting = _fitting(fragments)
            text = f"[{_BETWEEN.join(fragments[:fitting])}]"
            page = ContactPage(keys="\n".join(keys[:fitting]), contacts=text)
            self._new.append(page)
            self._bytes += len(text)
            self._add_place(page, fitting)
            del keys[:fitting], fragments[:fitting]

    def _add_place(self, page: ContactPage, size: int) -> None:
        self._places.append((self._number, page, size))
        self._number += 1
        if self._bytes >= _TRANSACTION_BYTES or len(self._places) >= _TRANSACTION_PLACES:
            self._write()

    @transaction.atomic
    def _write(self) -> None:
        self._on_write()
        _insert(self._new)
        SetPage.objects.bulk_create(
            SetPage(contact_set_id=self._contact_set_id, number=number, page_id=page.pk, size=size)
            for number, page, size in self._places
        )
        self._new, self._places, self._bytes = [], [], 0


# bulk_create would pass arrays here, in which psycopg marks each quote of the JSON in Python: 7 µs a contact.
_COPY = "COPY contacts_contactpage (id, keys, contacts) FROM STDIN (FORMAT binary)"
_IDS = "SELECT nextval(pg_get_serial_sequence('contacts_contactpage', 'id')) FROM generate_series(1, %s)"


def _insert(pages: list[ContactPage]) -> None:
    """Write new pages; they get their ids."""
    if connection.vendor != "postgresql":
        ContactPage.objects.bulk_create(pages)
        return
    with connection.cursor() as cursor:
        cursor.execute(_IDS, [len(pages)])
        ids = cursor.fetchall()
        with connection.wrap_database_errors, cursor.copy(_COPY) as copy:
            copy.set_types(("int8", "text", "text"))
            for page, (number,) in zip(pages, ids, strict=True):
                page.pk = number
                copy.write_row((number, page.keys, page.contacts))


def _fitting(fragments: list[str]) -> int:
    """How many of the fragments go into one page."""
    if sum(map(len, fragments)) <= PAGE_BYTES:
        return len(fragments)
    taken = 0
    for index, text in enumerate(fragments):
        taken += len(text)
        if taken > PAGE_BYTES:
            return max(1, index)
    return len(fragments)
