"""Tokens of links: whose link it is comes back, and nothing but what was made here is taken."""

import base64
import re
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pytest_django import Settings

from sendmill import links
from sendmill.links import UNSUBSCRIBE, VIEW_IN_BROWSER, LinkTarget, make_token, read_token

TARGETS = st.builds(
    LinkTarget,
    st.integers(1, 2**32 - 1),
    st.integers(0, 2**63 - 1),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80),
)
BOB = LinkTarget(7, 123_456_789, "bob.smith@books.example")


@pytest.fixture
def secrets(settings: Settings) -> Iterator[Settings]:
    """Settings, whose secret key may be changed; `links` keeps ciphers made with it."""
    links._ciphers.cache_clear()
    yield settings
    links._ciphers.cache_clear()


@given(TARGETS)
@example(LinkTarget(2**32 - 1, 2**63 - 1, "ü" * 32 + "@" + "例" * 150 + ".example"))
def test_whose_link_it_is_comes_back_for_its_own_kind_alone(target: LinkTarget) -> None:
    for kind, other in ((UNSUBSCRIBE, VIEW_IN_BROWSER), (VIEW_IN_BROWSER, UNSUBSCRIBE)):
        token = make_token(kind, *target).decode()
        assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
        assert read_token(kind, token) == target
        assert read_token(other, token) is None
        assert make_token(kind, *target).decode() == token, "a repeat of a message has the same link"


@given(TARGETS, st.data())
def test_a_changed_token_is_none(target: LinkTarget, data: st.DataObject) -> None:
    token = make_token(UNSUBSCRIBE, *target).decode()
    place = data.draw(st.integers(0, len(token)))
    replaced = data.draw(st.integers(0, 2))
    changed = token[:place] + data.draw(st.text("AZaz09-_=+/ .\n\0é", max_size=2)) + token[place + replaced :]
    if changed != token:
        assert read_token(UNSUBSCRIBE, changed) is None


@given(st.text(max_size=600) | st.binary(max_size=200).map(lambda octets: base64.urlsafe_b64encode(octets).decode()))
@example("")
@example("A" * 16)
@example("A" * 10_000)
def test_what_was_not_made_here_is_none(text: str) -> None:
    assert read_token(UNSUBSCRIBE, text) is None


@pytest.mark.parametrize("more", [" ", "\n", ".", "=", "!"])
def test_what_decoders_pass_over_is_no_part_of_a_token(more: str) -> None:
    token = make_token(UNSUBSCRIBE, *BOB).decode()
    for count in range(1, 5):
        assert read_token(UNSUBSCRIBE, token + more * count) is None
        assert read_token(UNSUBSCRIBE, token[:9] + more * count + token[9:]) is None


def test_nothing_can_be_read_in_a_token_and_neighbours_have_nothing_in_common() -> None:
    tokens = [make_token(UNSUBSCRIBE, *BOB._replace(delivery_id=number)).decode() for number in range(1000, 1200)]
    octets = [base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)) for token in tokens]
    assert not any(b"bob" in part or b"books" in part for part in octets)
    assert len({part[:4] for part in octets}) == len({part[-4:] for part in octets}) == 200


def test_the_path_is_short_for_usual_addresses() -> None:
    longest_usual = BOB._replace(email="a" * 30 + "@subdomain.exa", client_id=2**32 - 1, delivery_id=2**63 - 1)
    assert len(longest_usual.email) == 44
    path = f"/{UNSUBSCRIBE.path}/{make_token(UNSUBSCRIBE, *longest_usual).decode()}"
    assert len(path) < 100
    assert len(f"/u/{make_token(UNSUBSCRIBE, *BOB).decode()}") <= 75


def test_links_outlive_their_secret_key_if_it_is_kept_as_a_fallback(secrets: Settings) -> None:
    secrets.SECRET_KEY = "first"
    old = make_token(UNSUBSCRIBE, *BOB).decode()
    links._ciphers.cache_clear()
    secrets.SECRET_KEY = "second"
    assert read_token(UNSUBSCRIBE, old) is None
    links._ciphers.cache_clear()
    secrets.SECRET_KEY_FALLBACKS = ["zeroth", "first"]
    assert read_token(UNSUBSCRIBE, old) == BOB
    assert make_token(UNSUBSCRIBE, *BOB).decode() != old, "new links are made with the new key"
