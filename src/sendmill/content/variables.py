"""The names under which a template reaches a contact's columns."""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

# Words of the template language. A column of such a name is reached with an underscore behind it: `{{ in_ }}`.
RESERVED = frozenset(
    {"and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None", "loop"}
)
# The recipient's own links. No column has these names: a list must not lead readers who want to leave elsewhere.
UNSUBSCRIBE_URL = "unsubscribe_url"
VIEW_IN_BROWSER_URL = "view_in_browser_url"
_NO_COLUMNS = frozenset({"name", "email", UNSUBSCRIBE_URL, VIEW_IN_BROWSER_URL})
_UNDERSCORES = re.compile("__+")


def variable_name(header: str) -> str:
    """The name a template uses for the column headed `header`.

    An identifier (Unicode's, as Python has them) is its own name: `City`, `Straße`; it answers to small letters too
    unless another column has that name (`fields_as_variables`). In any other, what can't stand in
    an identifier becomes `_`, and the letters small: `First Name` is `first_name`, `E-Mail` is `e_mail`, `2nd` is
    `_2nd`, and a header without a letter or digit is `column`. Names are in Unicode's composed form (NFC).
    """
    name = unicodedata.normalize("NFC", header.strip())
    if not name.isidentifier():
        kept = "".join([character if f"_{character}".isidentifier() else "_" for character in name.lower()])
        name = unicodedata.normalize("NFC", _UNDERSCORES.sub("_", kept).strip("_")) or "column"
        if not name.isidentifier():  # it starts with a digit or a combining mark
            name = f"_{name}"
    return f"{name}_" if name in RESERVED else name


def fields_as_variables(name: str, email: str, fields: Mapping[str, str]) -> dict[str, str]:
    """What a template sees of a contact: `name`, `email`, and every column under its `variable_name`.

    `name` and `email` are always the contact's own, and the names of links are no column's. Where several columns come
    to the same name, one that is headed exactly so has it, and the others get `_2`, `_3`, … in the order of the
    columns. Costs under 1 µs: the names of a list's headers are worked out once and kept. A name with capitals is
    reached in small letters too, if nothing else is called so: `{{ city }}` for a column headed `City`.
    """
    names = _variable_names(tuple(fields))
    variables = dict(zip(names, fields.values(), strict=True))
    for small, written in _small_names(names):
        variables[small] = variables[written]
    variables["name"] = name
    variables["email"] = email
    return variables


@lru_cache(maxsize=64)
def _variable_names(headers: tuple[str, ...]) -> tuple[str, ...]:
    wanted = [variable_name(header) for header in headers]
    exact = {header for header, name in zip(headers, wanted, strict=True) if header == name}
    exact -= _NO_COLUMNS
    taken = {*_NO_COLUMNS, *exact}
    names: list[str] = []
    numbers: dict[str, int] = {}
    for header, name in zip(headers, wanted, strict=True):
        candidate, number = name, numbers.get(name, 1)
        while header not in exact and candidate in taken:
            number += 1
            candidate = f"{name}_{number}"
        numbers[name] = number
        taken.add(candidate)
        names.append(candidate)
    return tuple(names)


@lru_cache(maxsize=64)
def _small_names(names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The further names in small letters, with the names they stand for; the first column of several has it."""
    taken = _NO_COLUMNS | set(names) | RESERVED
    found: dict[str, str] = {}
    for name in names:
        if name.lower() not in taken:
            found.setdefault(name.lower(), name)
    return tuple(found.items())
