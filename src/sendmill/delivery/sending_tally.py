"""What one delivery process counts: answers by relay and outcome, and how long relays took."""

from bisect import bisect_left

from sendmill.delivery.transmission import OutcomeKind
from sendmill.metrics.tallies import Labels

SECONDS_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the latency histogram; what took longer is under `+Inf`."""
BOUND_NAMES = (*(f"{bound:g}" for bound in SECONDS_BOUNDS), "+Inf")

OUTCOMES = {
    OutcomeKind.ACCEPTED: "accepted",
    OutcomeKind.REJECTED: "rejected",
    OutcomeKind.DEFERRED: "deferred",
    OutcomeKind.IN_DOUBT: "in_doubt",
}


class SendingTally:
    """Counts until it is taken: 1 µs a message with its clock, for it stands on the sending path."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, OutcomeKind, int], int] = {}
        self._seconds: dict[str, float] = {}

    def answered(self, relay: str, kind: OutcomeKind, seconds: float) -> None:
        """A relay has answered a message `seconds` after its last byte left."""
        key = relay, kind, bisect_left(SECONDS_BOUNDS, seconds)
        self._counts[key] = self._counts.get(key, 0) + 1
        self._seconds[relay] = self._seconds.get(relay, 0.0) + seconds

    def take(self) -> dict[tuple[str, Labels], float]:
        """What was counted since the last call, as `tallies.add` wants it."""
        taken: dict[tuple[str, Labels], float] = {}
        for (relay, kind, bound), count in self._counts.items():
            outcome = "messages", (("outcome", OUTCOMES[kind]), ("relay", relay))
            latency = "relay_seconds_bucket", (("le", BOUND_NAMES[bound]), ("relay", relay))
            for key in (outcome, latency):
                taken[key] = taken.get(key, 0) + count
        for relay, seconds in self._seconds.items():
            taken["relay_seconds_sum", (("relay", relay),)] = seconds
        self._counts, self._seconds = {}, {}
        return taken
