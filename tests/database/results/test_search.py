"""Searching a campaign's results: what is found, page by page, and how little is read for it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sendmill.accounts.models import Client
from sendmill.campaigns.models import Campaign
from sendmill.delivery.models import Delivery
from sendmill.delivery.states import State
from sendmill.errors import NotFound
from sendmill.ids import KIND_DELIVERY, number_of
from sendmill.results import search
from sendmill.results.search import Wanted, find_result, search_results
from tests.database.campaigns.making import make_client
from tests.database.delivery.making import expanded_campaign
from tests.database.web.making import count_again, delivery_numbers, result_ids, sent_campaign

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return make_client()


def all_found(campaign: Campaign, wanted: Wanted) -> list[str]:
    """The addresses on all pages, which follow one another."""
    found, after = [], ""
    for _ in range(1000):
        page = search_results(campaign, wanted, after)
        found += [result.email for result in page.results]
        after = page.next_after
        if not after:
            return found
    raise AssertionError("the pages have no end")


def test_results_are_found_by_address_outcome_and_reply(client: Client) -> None:
    states = [State.DELIVERED] * 6 + [State.FAILED] * 4 + [State.DEFERRED] * 2
    campaign = sent_campaign(client, states)
    other = sent_campaign(client, [State.FAILED])
    numbers = delivery_numbers(campaign)
    replies = {
        6: (550, "5.1.1 No such user"),
        7: (552, "5.2.2 100% full_box"),
        8: (550, "<script>"),
        10: (451, "later"),
    }
    for index, (code, reply) in replies.items():
        Delivery.objects.filter(pk=numbers[index]).update(reply_code=code, reply=reply)
    Delivery.objects.filter(pk=numbers[0]).update(email="A_B%C@Example.com", name="Zoë Größe")

    def indexes(**wanted: str) -> list[int]:
        return [numbers.index(number) for number in matching(campaign, **wanted)]

    assert indexes() == list(range(12))
    assert indexes(disposition="failed") == [6, 7, 8, 9]
    assert indexes(disposition="queued") == []
    assert indexes(text="PERSON1@") == [1]
    assert indexes(text="person1") == [1, 10, 11]
    assert indexes(text="a_b%c@example.COM") == indexes(text="_") == indexes(text="%") == indexes(text="Größe") == [0]
    assert indexes(text="\\") == indexes(text="' OR 1=1 --") == []
    assert indexes(reply="550") == [6, 8]
    assert indexes(reply="55") == indexes(reply="5") == [6, 7, 8]
    assert indexes(reply="4") == [10]
    assert indexes(reply="NO SUCH") == [6]
    assert indexes(reply="100%") == indexes(reply="full_") == [7]
    assert indexes(reply="550", disposition="deferred") == []
    assert [result.email for result in search_results(other, Wanted(disposition="failed")).results] == [
        "person0@example.com"
    ]


def matching(campaign: Campaign, text: str = "", disposition: str = "", reply: str = "") -> list[int]:
    found = search_results(campaign, Wanted(text, disposition, reply)).results
    return [number_of(result.object_id, KIND_DELIVERY) or 0 for result in found]


def test_pages_follow_one_another_whatever_is_looked_for(client: Client) -> None:
    campaign = expanded_campaign(230, rows=20, client=client)
    expanded_campaign(30, rows=20, client=client)
    numbers = delivery_numbers(campaign)
    Delivery.objects.filter(pk__in=numbers[::3]).update(state=State.FAILED)
    count_again(campaign)
    emails = [f"person{number}@example.com" for number in range(230)]
    assert all_found(campaign, Wanted()) == emails
    assert all_found(campaign, Wanted(disposition="failed")) == emails[::3]
    assert all_found(campaign, Wanted(text="person22")) == [e for e in emails if e.startswith("person22")]


def test_a_search_stops_when_its_time_is_up_and_goes_on_from_there(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "SEARCH_SECONDS", 0.0)
    short = search_results(expanded_campaign(3, client=client), Wanted(text="nobody"))
    assert (short.next_after, short.is_cut_short) == ("", False), "it has seen them all"
    campaign = expanded_campaign(400, rows=20, client=client)
    first = search_results(campaign, Wanted(text="person399"))
    assert (first.results, first.is_cut_short) == ([], True)
    assert first.searched == 20 * search._CHUNKS_AT_ONCE
    second = search_results(campaign, Wanted(text="person399"), first.next_after)
    assert second.searched == 2 * first.searched
    assert all_found(campaign, Wanted(text="person399")) == ["person399@example.com"]


def test_chunks_without_the_outcome_are_not_read(client: Client) -> None:
    campaign = expanded_campaign(400, rows=20, client=client)
    Delivery.objects.filter(pk__in=delivery_numbers(campaign)).update(state=State.DELIVERED)
    Delivery.objects.filter(pk=delivery_numbers(campaign)[390]).update(state=State.FAILED)
    count_again(campaign)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        found = search_results(campaign, Wanted(disposition="failed"))
    assert [result.email for result in found.results] == ["person390@example.com"]
    assert len([one for one in queries.captured_queries if "delivery_delivery" in one["sql"]]) == 1


def test_one_result_is_found_by_its_id_for_its_client_alone(client: Client) -> None:
    campaign = sent_campaign(client, [State.FAILED], reply_code=550, reply="no")
    object_id = result_ids(campaign)[0]
    found_campaign, result = find_result(client, object_id)
    assert (found_campaign, result.email, result.disposition) == (campaign, "person0@example.com", "failed")
    assert result.is_final and result.was_tried
    foreign = "f" * 8 + object_id[8:]
    for owner, wanted in ((make_client(), object_id), (client, foreign), (client, object_id[:-4] + "ffff")):
        with pytest.raises(NotFound):
            find_result(owner, wanted)
    for wanted in ("", "nonsense", "f" * 24, "ffffffffd0ffffffffffffff"):
        with pytest.raises(NotFound):
            find_result(client, wanted)
