"""How many messages came in any ten seconds, wherever these begin."""

from collections.abc import Sequence
from typing import NamedTuple

WINDOW_SECONDS = 10.0


class Extremes(NamedTuple):
    """The fewest and the most messages in any ten seconds."""

    fewest: int
    most: int


def extremes(moments: Sequence[float], begin: float, end: float) -> Extremes:
    """Of messages that arrived at these moments, in order; the windows lie wholly between `begin` and `end`."""
    moments = [moment for moment in moments if begin <= moment <= end]
    fewest, most, first = len(moments), 0, 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= WINDOW_SECONDS:
            # The ten seconds that begin just after `first` end before this moment.
            fewest = min(fewest, last - first - 1)
            first += 1
        most = max(most, last - first + 1)
    return Extremes(fewest, most)
