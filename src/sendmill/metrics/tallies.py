"""Adding to tallies, and reading them.

Processes come and go and delivery processes have no port to be asked at: what they count they add here, about once a
second, so that a count outlives them and any web process can tell it. What a killed process has counted in its last
second is lost here (and nowhere else: what became of a message is its delivery's row).
"""

from collections.abc import Mapping

import orjson
from django.db import connection

from sendmill.metrics.models import Tally

Labels = tuple[tuple[str, str], ...]
"""Names and values of labels, in the order of the names."""

_PAGE = 100


def add(counted: Mapping[tuple[str, Labels], float]) -> None:
    """Add to tallies, by name and labels. In the order of their keys, so that two processes never wait in a circle."""
    rows = sorted((name, _stored(labels), value) for (name, labels), value in counted.items() if value)
    with connection.cursor() as cursor:
        for begin in range(0, len(rows), _PAGE):
            page = rows[begin : begin + _PAGE]
            marks = ",".join(["(%s, %s, %s)"] * len(page))
            cursor.execute(
                f"INSERT INTO metrics_tally (name, labels, value) VALUES {marks} "  # noqa: S608 - marks
                "ON CONFLICT (name, labels) DO UPDATE SET value = metrics_tally.value + excluded.value",
                [value for row in page for value in row],
            )


def read() -> dict[str, list[tuple[dict[str, str], float]]]:
    """Every tally: by name, the labels and the value."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for name, labels, value in Tally.objects.order_by("name", "labels").values_list("name", "labels", "value"):
        found.setdefault(name, []).append((orjson.loads(labels), value))
    return found


def _stored(labels: Labels) -> str:
    return orjson.dumps(dict(labels)).decode()
