"""The limits an operator sets: stored as they are compared, and what can't be one is refused."""

import pytest

from sendmill.delivery import limits
from sendmill.delivery.gates import LimitKey, LimitKind, LimitValues
from sendmill.errors import InvalidField, NotFound
from tests.database.campaigns.making import make_client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("kind", "given", "name"),
    [
        (LimitKind.DOMAIN, " Gmail.COM ", "gmail.com"),
        (LimitKind.DOMAIN, "bücher.example", "xn--bcher-kva.example"),
        (LimitKind.SENDER, "News@Sender.test", "news@sender.test"),
        (LimitKind.RELAY, "mail.example.com", "mail.example.com:25"),
        (LimitKind.RELAY, "[2001:db8::1]:587", "[2001:db8::1]:587"),
        (LimitKind.RELAY, "outbox", "outbox"),
    ],
)
def test_names_are_stored_as_they_are_compared(kind: LimitKind, given: str, name: str) -> None:
    assert limits.limit_key(kind, given) == LimitKey(kind, name)


def test_a_client_is_named_by_its_id() -> None:
    client = make_client()
    assert limits.limit_key(LimitKind.CLIENT, client.object_id.upper()).name == client.object_id
    with pytest.raises(NotFound):
        limits.limit_key(LimitKind.CLIENT, "0" * 24)


@pytest.mark.parametrize(
    ("kind", "name"), [("domain", "no domain"), ("sender", "gmail.com"), ("relay", ""), ("domain", "")]
)
def test_names_that_can_be_none(kind: str, name: str) -> None:
    with pytest.raises(InvalidField) as refused:
        limits.limit_key(LimitKind(kind), name)
    assert refused.value.path == ("name",)


DOMAIN = LimitKey(LimitKind.DOMAIN, "gmail.com")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        (LimitValues(), "rate"),
        (LimitValues(rate=0.0), "rate"),
        (LimitValues(rate=float("inf")), "rate"),
        (LimitValues(rate=float("nan")), "rate"),
        (LimitValues(connections=0), "connections"),
        (LimitValues(connections=100_001), "connections"),
        (LimitValues(rate=1.0, weight=2), "weight"),
        (LimitValues(weight=0), "weight"),
    ],
)
def test_values_that_can_be_none(values: LimitValues, field: str) -> None:
    with pytest.raises(InvalidField) as refused:
        limits.set_limit(DOMAIN, values)
    assert refused.value.path == (field,)
    assert limits.load_limits() == {}


def test_one_takes_the_place_of_the_one_before_and_can_be_removed() -> None:
    limits.set_limit(DOMAIN, LimitValues(rate=1.5))
    limits.set_limit(DOMAIN, LimitValues(connections=3))
    assert limits.load_limits() == {DOMAIN: LimitValues(None, 3, 1)}
    limits.remove_limit(DOMAIN)
    assert limits.load_limits() == {}
    with pytest.raises(NotFound):
        limits.remove_limit(DOMAIN)
