"""The filters of the template language, and how much a template may produce. Pure.

All filters are our own, the engine's are never called. Its own ones grow without bound (`"%2000000000s"|format(1)`
asks for 2 GB and aborts the process if there are none), and fail on a column that a contact doesn't have. Here an
absent value (None) is an empty text, and `default` steps in for an empty cell as well.
"""

import math
import re
from collections.abc import Callable
from urllib.parse import quote

import minijinja

from sendmill.content.characters import escape_html
from sendmill.errors import SendmillError

# Characters that one rendering of one template may fill in, compute and repeat in loops. A mail of 1 MB is no
# longer read by anybody; a limit per message keeps a worker's memory flat.
MAX_PRODUCED = 1_000_000
MAX_ITEMS = 1_000  # of a range or a split text

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


class RenderError(SendmillError):
    """A template that can be read, but not filled in for this recipient. `str()` of it says why."""


def check_produced(characters: int) -> None:
    """Raise RenderError if one rendering of a template may not produce that many characters."""
    if characters > MAX_PRODUCED:
        raise RenderError(f"The message would get more than {MAX_PRODUCED} characters from values and loops.")


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _items(value: object) -> list[object]:
    """What a loop over `value` sees: a list's items, a text's characters, and nothing of all else."""
    return list(value) if isinstance(value, list | str) else []


def _number(value: object) -> float:
    """A number from a cell; 0 from a cell that holds none."""
    try:
        number = float(_text(value))
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


def _whole_number(value: object) -> int:
    number = int(_number(value))
    return number if abs(number) < 2**53 else 0  # beyond that a float has lost digits


def _replace(value: object, old: object, new: object) -> str:
    text, old_text, new_text = _text(value), _text(old), _text(new)
    check_produced(len(text) + text.count(old_text) * len(new_text))
    return text.replace(old_text, new_text)


def _join(value: object, separator: object = "") -> str:
    texts = [_text(item) for item in _items(value)]
    check_produced(sum(map(len, texts)) + len(texts) * len(_text(separator)))
    return _text(separator).join(texts)


def _split(value: object, separator: object = None) -> list[str]:
    """At most 1,000 parts; the last holds the rest. Without a separator, words."""
    return _text(value).split(_text(separator) or None, MAX_ITEMS - 1)


def _truncate(value: object, length: object = 255, end: object = "…") -> str:
    text, limit = _text(value), max(_whole_number(length), 0)
    return text if len(text) <= limit else text[:limit].rstrip() + _text(end)


def _round(value: object, digits: object = 0) -> float:
    return round(_number(value), _whole_number(digits) or None)


def _title(value: object) -> str:
    """Unlike `str.title`, leaves the s of "it's" small."""
    return _WORD.sub(lambda word: word[0][0].upper() + word[0][1:].lower(), _text(value))


def _default(value: object, other: object = "") -> object:
    return other if value is None or value == "" else value


def as_html(text: str) -> str:
    """`text` as a value that is HTML already and isn't escaped."""
    return minijinja.safe(text)


def is_html_already(value: object) -> bool:
    return hasattr(value, "__html__")


def _escape(value: object) -> str:
    return _text(value) if is_html_already(value) else escape_html(_text(value))


FILTERS: dict[str, Callable[..., object]] = {
    "capitalize": lambda value: _text(value).capitalize(),
    "count": lambda value: len(_items(value)),
    "d": _default,
    "default": _default,
    "e": lambda value: as_html(_escape(value)),
    "escape": lambda value: as_html(_escape(value)),
    "first": lambda value: next(iter(_items(value)), ""),
    "float": _number,
    "int": _whole_number,
    "join": _join,
    "last": lambda value: next(reversed(_items(value)), ""),
    "length": lambda value: len(_items(value)),
    "lower": lambda value: _text(value).lower(),
    "replace": _replace,
    "round": _round,
    "safe": lambda value: as_html(_text(value)),
    "split": _split,
    "title": _title,
    "trim": lambda value: _text(value).strip(),
    "truncate": _truncate,
    "upper": lambda value: _text(value).upper(),
    "urlencode": lambda value: quote(_text(value)),
}


def number_range(*bounds: object) -> list[int]:
    """The `range` of templates. Raises RenderError over 1,000 numbers, or if the bounds are none."""
    try:
        numbers = range(*[_whole_number(bound) for bound in bounds])
    except (TypeError, ValueError):
        raise RenderError("`range` takes one to three whole numbers, the third not 0.") from None
    if len(numbers) > MAX_ITEMS:
        raise RenderError(f"`range` counts {len(numbers)} numbers; {MAX_ITEMS} is the most.")
    return list(numbers)


class Meter:
    """Counts what one rendering produces, in characters. A template's is used by one thread at a time."""

    def __init__(self) -> None:
        self.used = 0

    def charge(self, characters: int) -> None:
        """Raises RenderError if that makes too many."""
        self.used += characters
        check_produced(self.used)

    def metered(self, function: Callable[..., object]) -> Callable[..., object]:
        """`function`, with what goes in and what comes out charged."""

        def call(*arguments: object) -> object:
            self.charge(sum(map(_size, arguments)))
            result = function(*arguments)
            self.charge(_size(result))
            return result

        return call


def _size(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    return sum(map(_size, value)) + 8 * len(value) if isinstance(value, list) else 8
