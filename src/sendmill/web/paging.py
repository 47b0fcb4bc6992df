"""Long lists in windows, newest first, by primary key: as quick at the end as at the beginning."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Window(Generic[Row]):
    """Some rows of a list; `newer` and `older` are the queries of the windows beside it, "" where there is none."""

    rows: list[Row]
    newer: str
    older: str


def window(request: HttpRequest, rows: QuerySet[Row, Any], size: int) -> Window[Row]:
    """The window that `before` or `after` (primary keys) in the request's query asks for."""
    before, after = _number(request, "before"), _number(request, "after")
    if after is not None:
        found = list(rows.filter(pk__gt=after).order_by("pk")[: size + 1])
        has_newer, has_older = len(found) > size, True
        found = found[:size][::-1]
    else:
        found = list((rows if before is None else rows.filter(pk__lt=before)).order_by("-pk")[: size + 1])
        has_newer, has_older = before is not None, len(found) > size
        found = found[:size]
    if not found:
        return Window([], "", "")
    return Window(
        found,
        _query(request, "after", found[0].pk) if has_newer else "",
        _query(request, "before", found[-1].pk) if has_older else "",
    )


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _query(request: HttpRequest, name: str, value: int) -> str:
    query = request.GET.copy()
    for other in ("before", "after"):
        query.pop(other, None)
    query[name] = str(value)
    return f"?{query.urlencode()}"
