"""The next set of a group's contacts, from the rows of a file and the set before.

    receive the rows, spread by address → find each address in the set before → write the pages of the next set

Rows are joined by address in partitions of about as many rows as memory takes easily: first by a hash of the address,
then by their place in what is written. So memory is flat, everything is read and written in order, and no index is
needed. Decided here:

- The last row of an address wins, and stands where the first one stood.
- An update overwrites the email as written and the name; of the other fields the file's win and the rest stay. A
  contact keeps its place, new ones come last in the file's order.
- A page in which nothing changes is shared with the set before, unless it has become small.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from sendmill.contacts.csv_reader import Batch
from sendmill.contacts.fragments import text_of
from sendmill.contacts.models import ImportKind
from sendmill.contacts.pages import (
    PAGE_BYTES,
    PAGE_CONTACTS,
    POSITION_SHIFT,
    Page,
    PageWriter,
    Place,
    count_pages,
    keys_of,
    places,
    read_page,
)
from sendmill.contacts.spill import Spill

_PARTITION_BYTES = 1 << 20
_MOST_PARTITIONS = 4_096

# A row's number is that of a stretch of the file, shifted, and its place there: a stretch is what is sorted in memory.
_STRETCH_SHIFT = 20
_STRETCH_ROWS = 10_000
_STRETCH_BYTES = 2 << 20

_STRETCHES_OF_BASE = 512
_SMALL_CONTACTS = PAGE_CONTACTS // 4
_SMALL_BYTES = PAGE_BYTES // 4

_DELETED = ""


class Merger(AbstractContextManager["Merger"]):
    """Takes the valid rows of a file of `file_bytes`, then writes the next set. What it holds lies below `folder`.

    `alive` is called now and then in what may take long.
    """

    def __init__(self, kind: ImportKind, file_bytes: int, folder: Path | str, alive: Callable[[], None]) -> None:
        self.distinct = 0
        """How many addresses the rows have, known when the set is written."""
        self._kind = kind
        self._alive = alive
        self._mask = (1 << min(file_bytes // _PARTITION_BYTES, _MOST_PARTITIONS).bit_length()) - 1
        self._stack = ExitStack()
        self._received, self._changes, self._additions, self._base = (
            self._stack.enter_context(Spill(folder, width)) for width in (3, 2, 3, 2)
        )
        self._number = self._stretch_bytes = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def receive(self, batch: Batch) -> None:
        """Take the next rows of the file."""
        size = sum(map(len, batch.texts))
        numbers = range(self._number, self._number + len(batch.keys))
        self._received.put(self._partitions_of(batch.keys), batch.keys, numbers, batch.texts, size=size)
        self._number += len(batch.keys)
        self._stretch_bytes += size
        stretch, place = divmod(self._number, 1 << _STRETCH_SHIFT)
        if place >= _STRETCH_ROWS or self._stretch_bytes >= _STRETCH_BYTES:
            self._number = (stretch + 1) << _STRETCH_SHIFT
            self._stretch_bytes = 0

    def write(self, base_set_id: int | None, writer: PageWriter) -> None:
        """Write the next set after that one; after none if the file's rows replace everything."""
        pages_a_stretch = 1
        if base_set_id is not None:
            pages_a_stretch += count_pages(base_set_id) // _STRETCHES_OF_BASE
            if self._mask:
                self._spread_base(base_set_id)
        for partition in range(self._mask + 1):
            self._join(partition, base_set_id, pages_a_stretch)
        self._received.close()
        self._base.close()
        if base_set_id is not None:
            self._take_over(places(base_set_id), pages_a_stretch, writer)
        for stretch in self._additions.partitions():
            rows = sorted(self._additions.rows(stretch))
            writer.extend([key for _, key, _ in rows], [text for _, _, text in rows])
        writer.close()

    def _partitions_of(self, keys: Iterable[str]) -> list[int]:
        mask = self._mask
        return [hash(key) & mask for key in keys]

    def _spread_base(self, base_set_id: int) -> None:
        for keys, positions in _positions(base_set_id):
            self._alive()
            self._base.put(self._partitions_of(keys), keys, positions)

    def _base_of(self, partition: int, base_set_id: int) -> Iterable[Sequence[Any]]:
        """The keys and positions of the contacts in the set before that can be in a partition."""
        return self._base.pieces(partition) if self._mask else _positions(base_set_id)

    def _join(self, partition: int, base_set_id: int | None, pages_a_stretch: int) -> None:
        self._alive()
        numbers: dict[str, int] = {}  # of the first row of each address
        texts: dict[str, str] = {}  # and what the last one says
        for keys, row_numbers, row_texts in self._received.pieces(partition):
            for key, number in zip(keys, row_numbers, strict=True):
                numbers.setdefault(key, number)
            texts |= zip(keys, row_texts, strict=True)
        self.distinct += len(texts)
        for keys, positions in self._base_of(partition, base_set_id) if base_set_id is not None else ():
            self._alive()
            if texts.keys().isdisjoint(keys):
                continue
            found = [position for key, position in zip(keys, positions, strict=True) if key in texts]
            changed = [texts.pop(key) for key in keys if key in texts]
            stretches = [(position >> POSITION_SHIFT) // pages_a_stretch for position in found]
            self._changes.put(stretches, found, changed, size=sum(map(len, changed)))
        if self._kind != ImportKind.DELETE:
            added = [numbers[key] for key in texts]
            stretches = [number >> _STRETCH_SHIFT for number in added]
            self._additions.put(stretches, added, list(texts), list(texts.values()), size=sum(map(len, texts.values())))

    def _take_over(self, base: Iterable[Place], pages_a_stretch: int, writer: PageWriter) -> None:
        for stretch, stretch_places in groupby(base, key=lambda place: place.number // pages_a_stretch):
            self._alive()
            changes = dict(self._changes.rows(stretch))
            changed_pages = {position >> POSITION_SHIFT for position in changes}
            for place in stretch_places:
                if place.number in changed_pages:
                    writer.extend(*_changed(read_page(place), changes))
                elif place.size >= _SMALL_CONTACTS or len((page := read_page(place)).contacts) >= _SMALL_BYTES:
                    writer.share(place)
                else:
                    writer.extend(*_changed(page, {}))


def _positions(contact_set_id: int) -> Iterator[tuple[list[str], range]]:
    """The keys of a set, page by page, and where they stand."""
    for place in places(contact_set_id):
        yield keys_of(place), range(place.first_position, place.first_position + place.size)


def _changed(page: Page, changes: dict[int, str]) -> tuple[list[str], list[str]]:
    """Keys and fragments of the contacts of a page, as they are after these changes by position."""
    keys, fragments = [], []
    for position, (key, old) in enumerate(zip(page.keys, page.fragments, strict=True), page.place.first_position):
        text = changes.get(position)
        if text == _DELETED:
            continue
        keys.append(key)
        fragments.append(old if text is None else _merged(old, text))
    return keys, fragments


def _merged(old_text: str, text: str) -> str:
    """The fragment of a contact after an update with another."""
    old, new = orjson.loads(old_text), orjson.loads(text)
    if not old[2] or list(old[2]) == list(new[2]):
        return text
    new[2] = {**old[2], **new[2]}
    return text_of(new)
