"""Object ids: 12 bytes shown as 24 hex digits, in the form the API documents.

A resource's id is the classic one: 4 bytes of time in seconds, 5 bytes that are this process's own, 3 bytes of
a counter. The rows of a campaign's deliveries, of which there may be a billion, store no such id: theirs is
computed from the integer that is their primary key (`numbered`), and read back from it (`number_of`).
"""

import itertools
import os
import re
import secrets
import time

_PATTERN = re.compile(r"[0-9a-fA-F]{24}")
_counter = itertools.count(secrets.randbelow(1 << 24))
_process_bytes = {os.getpid(): secrets.token_hex(5)}

COUNTER_MASK = 0xFFFFFF
"""The bits of a number that an id ends in."""

KIND_DELIVERY = 0xD0
KIND_QUEUE = 0xD1


def new_object_id() -> str:
    """A new id, unique across processes and machines: 24 lower-case hex digits."""
    return f"{_time_and_process()}{next(_counter) & COUNTER_MASK:06x}"


def new_object_ids(count: int) -> tuple[str, int]:
    """Many new ids: what they begin with, and the first of their numbers, of which each ends in the lowest 24 bits."""
    first, *_ = itertools.islice(_counter, count)
    return _time_and_process(), first


def _time_and_process() -> str:
    """The five random bytes belong to the process id that drew them, so that a forked child draws its own."""
    pid = os.getpid()
    process = _process_bytes.get(pid)
    if process is None:
        process = _process_bytes.setdefault(pid, secrets.token_hex(5))
    return f"{int(time.time()) & 0xFFFFFFFF:08x}{process}"


def parse_object_id(text: str) -> str | None:
    """The id in lower case if `text` is one (24 hex digits), else None."""
    return text.lower() if _PATTERN.fullmatch(text) else None


def numbered(prefix: str, kind: int, number: int) -> str:
    """The id of row `number` (0 to 2^56-1): 8 hex digits of `prefix`, 2 of `kind`, 14 of the number."""
    return numbered_prefix(prefix, kind) + number_digits(number)


def numbered_prefix(prefix: str, kind: int) -> str:
    """What the ids that `numbered` makes with these begin with."""
    return f"{prefix[:8]}{kind:02x}"


def number_digits(number: int) -> str:
    """What the ids that `numbered` makes of a number end in."""
    return f"{number:014x}"


def number_of(object_id: str, kind: int) -> int | None:
    """The row number in an id made by `numbered` with this `kind`, or None if it is another sort of id."""
    if parse_object_id(object_id) is None or int(object_id[8:10], 16) != kind:
        return None
    return int(object_id[10:], 16)
