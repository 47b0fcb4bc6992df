"""A recipient's attempts in order: those that are kept and the row's own words, each once."""

import pytest

from sendmill.delivery.states import State
from sendmill.results.history import Word, history

LATER = Word(State.DEFERRED, 1, 10, 451, "later", "mx:25")
NO = Word(State.FAILED, 1, 20, 550, "no", "mx:25")


@pytest.mark.parametrize(
    ("kept", "own", "is_shown"),
    [
        pytest.param([], Word(State.QUEUED, 0, 5, None, "", ""), False, id="not tried yet"),
        pytest.param([], Word(State.DELIVERED, 1, 20, 250, "ok", "mx:25"), True, id="delivered at once"),
        pytest.param([], LATER, True, id="deferred before attempts were kept"),
        pytest.param([], LATER._replace(state=State.OPTOUT), True, id="its words are kept nowhere else"),
        pytest.param([LATER], LATER, False, id="deferred"),
        pytest.param([LATER], LATER._replace(attempts=2), True, id="deferred by a node of the version before"),
        pytest.param([LATER], LATER._replace(state=State.DELIVERED, attempts=2, reply="ok"), True, id="delivered"),
        pytest.param([LATER], LATER._replace(state=State.FAILED, attempts=2), True, id="expired with the same words"),
        pytest.param([LATER], LATER._replace(state=State.FAILED, reply="template"), True, id="its message is broken"),
        pytest.param([LATER], LATER._replace(state=State.OPTOUT, recorded_ms=30), False, id="opted out meanwhile"),
        pytest.param([LATER], LATER._replace(state=State.CANCELLED, recorded_ms=30), False, id="cancelled"),
        pytest.param(
            [LATER._replace(state=State.UNCONFIRMED)], LATER._replace(state=State.UNCONFIRMED_HELD), False, id="held"
        ),
        pytest.param([LATER], LATER._replace(state=State.UNCONFIRMED_HELD, reply="restored"), True, id="held anew"),
        pytest.param([NO], NO._replace(state=State.QUEUED, attempts=0), False, id="sent again, not tried yet"),
        pytest.param([NO], NO._replace(recorded_ms=30), True, id="sent again, failed with the same words"),
    ],
)
def test_the_rows_own_words_are_told_when_they_are_not_kept_already(
    kept: list[Word], own: Word, is_shown: bool
) -> None:
    assert history(kept, own) == ([*kept, own] if is_shown else kept)
