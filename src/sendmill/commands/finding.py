"""What the doctor finds."""

from typing import Literal, NamedTuple

FindingState = Literal["ok", "notice", "problem"]


class Finding(NamedTuple):
    """One line of the report. `advice` says what to do unless it is ok.

    A `notice` is nothing that keeps mail from going out; of a `problem` the exit code is 1.
    """

    subject: str
    state: FindingState
    fact: str
    advice: str = ""
