"""Which campaigns' compiled messages a delivery process keeps."""

import gc

import pytest

from sendmill.addresses import envelope_address
from sendmill.content.compile import compile_message
from sendmill.delivery import render
from sendmill.delivery.render import CampaignMessage, message_cache

SENDER = "news@example.org"


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The campaigns whose messages are loaded, of which those from 100 on are large."""
    found: list[int] = []

    def load(campaign_id: int, _relays: object) -> CampaignMessage:
        found.append(campaign_id)
        compiled = compile_message("s", "x" * (600 if campaign_id >= 100 else 1), SENDER)
        return CampaignMessage(
            str(campaign_id), 1, "c", SENDER, (), envelope_address(SENDER), "example.org", compiled, "", b""
        )

    monkeypatch.setattr(render, "load_campaign_message", load)
    monkeypatch.setattr(render, "MOST_KEPT_CHARACTERS", 1300)
    return found


def test_the_last_used_are_kept(loaded: list[int]) -> None:
    message_of = message_cache(2, [])
    for campaign_id in (1, 2, 1, 3, 1, 2):
        assert message_of(campaign_id).object_id == str(campaign_id)
        gc.collect()
    assert loaded == [1, 2, 3, 2]


def test_of_large_ones_only_so_many_as_fit_into_memory(loaded: list[int]) -> None:
    message_of = message_cache(64, [])
    for campaign_id in (100, 101, 102, 101, 100, 102, 102):
        message_of(campaign_id)
        gc.collect()
    assert loaded == [100, 101, 102, 100, 102]


def test_one_that_is_being_sent_is_there_once(loaded: list[int]) -> None:
    message_of = message_cache(1, [])
    being_sent = message_of(1)
    message_of(2)
    assert message_of(1) is being_sent
    assert loaded == [1, 2]
