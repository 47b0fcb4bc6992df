"""Backoff, and the count of connections lost at one message."""

from sendmill.delivery.relay_state import Backoff, LossCounter


def test_backoff_doubles_to_its_longest_and_resets() -> None:
    backoff = Backoff(1.0, 60.0, lambda: 0.0)
    assert [backoff.fail() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert backoff.failures == 8
    backoff.reset()
    assert backoff.fail() == 1
    for _ in range(5000):
        backoff.fail()
    assert backoff.fail() == 60


def test_backoff_jitter_shortens_by_up_to_a_fifth() -> None:
    assert Backoff(10.0, 60.0, lambda: 1.0).fail() == 8.0


def test_the_third_loss_is_the_messages() -> None:
    losses = LossCounter()
    assert [losses.count(7) for _ in range(6)] == [False, False, True, False, False, True]


def test_a_reply_forgets_losses() -> None:
    losses = LossCounter()
    losses.count(7)
    losses.count(7)
    losses.forget(7)
    assert losses.count(7) is False


def test_the_count_is_bounded() -> None:
    losses = LossCounter()
    for delivery_id in range(5000):
        assert losses.count(delivery_id) is False
    assert len(losses._counts) == 1000
    assert losses.count(4999) is False
    assert losses.count(4999) is True
    assert losses.count(0) is False
