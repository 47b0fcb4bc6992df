"""How many messages came in any ten seconds, wherever these begin."""

from collections.abc import Sequence
from typing import NamedTuple

WINDOW_SECONDS = 10.0


class Extremes(NamedTuple):
    """The fewest and the most messages a second in any ten seconds."""

    least: float
    most: float


def extremes(moments: Sequence[float], begin: float, end: float) -> Extremes:
    """Of messages that arrived at these moments, in order; windows lie wholly between `begin` and `end`."""
    most, fewest = 0, len(moments)
    first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= WINDOW_SECONDS:
            # The window that begins just after `first` has least in it: until just before this moment.
            if moments[first] >= begin and moments[first] + WINDOW_SECONDS <= end:
                fewest = min(fewest, last - first - 1)
            first += 1
        if moments[first] >= begin and moment <= end:
            most = max(most, last - first + 1)
    return Extremes(fewest / WINDOW_SECONDS, most / WINDOW_SECONDS)
