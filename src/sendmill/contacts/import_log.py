"""Reading what became of imports: their counts and the rows they rejected."""

from collections.abc import Collection, Iterator

from django.db.models import QuerySet

from sendmill.accounts.models import Client
from sendmill.contacts.models import ContactGroup, Import, ImportKind, RejectedRow
from sendmill.csv_lines import MARK, csv_lines
from sendmill.errors import NotFound
from sendmill.ids import parse_object_id

PAGE_ROWS = 2000
REJECTED_COLUMNS = ("line", "column_index", "column", "value", "reason")


def find_import(client: Client, object_id: str) -> Import:
    """The client's import with this id. Raises NotFound."""
    found = _of(client).filter(object_id=parse_object_id(object_id)).first()
    if found is None:
        raise NotFound("There is no such import.")
    return found


def import_pages(client: Client) -> Iterator[list[Import]]:
    """The client's imports, oldest first, in short reads."""
    last = 0
    while page := list(_of(client).filter(pk__gt=last)[:PAGE_ROWS]):
        yield page
        last = page[-1].pk


def rejected_pages(of_import: Import) -> Iterator[list[RejectedRow]]:
    """The rows that an import rejected, in the order of its file, in short reads."""
    last = 0
    rows = RejectedRow.objects.filter(of_import=of_import).order_by("pk")
    while page := list(rows.filter(pk__gt=last)[:PAGE_ROWS]):
        yield page
        last = page[-1].pk


def rejected_csv(of_import: Import) -> Iterator[bytes]:
    """The rows that an import rejected as a CSV file, in pieces."""
    yield MARK + csv_lines([REJECTED_COLUMNS])
    for page in rejected_pages(of_import):
        yield csv_lines([[getattr(row, column) for column in REJECTED_COLUMNS] for row in page])


def latest_imports(
    client: Client, kinds: Collection[ImportKind], group: ContactGroup | None, limit: int
) -> list[Import]:
    """The latest imports of these kinds, of this group if one is given, newest first."""
    found = _of(client).filter(kind__in=kinds)
    return list((found if group is None else found.filter(group=group)).order_by("-pk")[:limit])


def _of(client: Client) -> QuerySet[Import]:
    listed = Import.objects.filter(client=client).exclude(kind=ImportKind.STAGE)  # which is part of a draft
    return listed.select_related("client", "group").order_by("pk")
