"""What all of a client's resources have in common: they are found by id, and read in pages, within their client."""

from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import TypeVar

from django.db.models import QuerySet
from django.utils import timezone

from sendmill.accounts.models import Client, ClientResource
from sendmill.errors import NotFound
from sendmill.ids import parse_object_id

Resource = TypeVar("Resource", bound=ClientResource)

PAGE_ROWS = 2000


def find(model: type[Resource], client: Client, object_id: str) -> Resource:
    """The client's resource with this id. Raises NotFound: unknown, malformed or another client's."""
    return _first(model._default_manager.all(), client, object_id)


def find_for_update(model: type[Resource], client: Client, object_id: str) -> Resource:
    """Like `find`, and locked until the transaction that it must be called in ends."""
    return _first(model._default_manager.select_for_update(), client, object_id)


def pages(
    model: type[Resource],
    client: Client,
    *,
    after: int = 0,
    limit: int | None = None,
    page_rows: int = PAGE_ROWS,
    omit: Collection[str] = (),
) -> Iterator[list[Resource]]:
    """The client's resources, oldest first, in pages of up to `page_rows`, at most `limit` of them.

    Every page is a short read of its own by primary key, so that memory is flat and nobody waits for a slow reader.
    `after` is the primary key to begin behind; `omit` names large columns that the caller doesn't need.
    """
    rows = model._default_manager.filter(client=client).defer(*omit).order_by("pk")
    left = limit
    while left is None or left > 0:
        wanted = page_rows if left is None else min(page_rows, left)
        page = list(rows.filter(pk__gt=after)[:wanted])
        for row in page:
            row.client = client  # known, and otherwise a query for every row that shows it
        if page:
            yield page
        if len(page) < wanted:
            return
        after = page[-1].pk
        left = None if left is None else left - len(page)


def touch(resource: ClientResource) -> None:
    """Move `modified_on` to now, and always forward: two changes within one millisecond are still two."""
    resource.modified_on = max(timezone.now(), resource.modified_on + timedelta(milliseconds=1))


def _first(rows: QuerySet[Resource], client: Client, object_id: str) -> Resource:
    found = rows.filter(client=client, object_id=parse_object_id(object_id)).first()
    if found is None:
        raise NotFound(f"There is no such {rows.model._meta.verbose_name}.")
    found.client = client
    return found
