"""The hot SQL, in files of its own under sql/, with the reason beside it.

A line `-- postgresql: …` or `-- sqlite: …` is a part that only that database has (row locks for one: a SQLite
transaction that writes is alone anyway, see `sendmill.sqlite`). `{ids}` stands for a list of integers that the
code has made itself, as do other names in braces.
"""

from collections.abc import Iterable
from functools import cache
from importlib import resources

from django.db import connection


def statement(name: str, **lists: Iterable[int]) -> str:
    """The text of sql/NAME.sql for the database in use, its lists filled in."""
    text = _load(name, connection.vendor)
    for placeholder, numbers in lists.items():
        text = text.replace(f"{{{placeholder}}}", ",".join(map(str, map(int, numbers))))
    return text


@cache
def _load(name: str, vendor: str) -> str:
    text = resources.files("sendmill.delivery").joinpath("sql", f"{name}.sql").read_text()
    lines = []
    for line in text.splitlines():
        if line.startswith(f"-- {vendor}: "):
            lines.append(line.removeprefix(f"-- {vendor}: "))
        elif not line.startswith("--"):
            lines.append(line)
    return "\n".join(lines)
