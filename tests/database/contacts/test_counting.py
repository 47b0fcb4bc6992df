"""How many of a list would not be mailed: exact whatever the pieces, in either layout, and for each client alone."""

from collections.abc import Callable

import pytest

from sendmill.contacts.counting import NOTHING_COUNTED, Counted, count_barred
from sendmill.contacts.models import ContactGroup, ContactSet
from sendmill.optouts.suppressions import suppress
from tests.database.campaigns.making import make_client, make_group
from tests.database.delivery.making import addresses, fill_group, fill_group_with_rows, opt_out

pytestmark = pytest.mark.django_db

OPTED_OUT = ["person0@example.com", "Person999@Example.com", "person1000@example.com", "person2400@example.com"]


def counts(client_id: int, contact_set: ContactSet, seconds: float) -> list[Counted]:
    found = [count_barred(client_id, contact_set, NOTHING_COUNTED, seconds)]
    while found[-1].next is not None and len(found) < 10:
        found.append(count_barred(client_id, contact_set, found[-1], seconds))
    return found


@pytest.mark.parametrize(("fill", "page"), [(fill_group, 1000), (fill_group_with_rows, 2000)])
def test_the_count_is_exact_in_one_piece_and_in_many(
    fill: Callable[[ContactGroup, list[str]], None], page: int
) -> None:
    client, other = make_client(), make_client("Another")
    group = make_group(client)
    fill(group, addresses(4_401))
    group = ContactGroup.objects.get(pk=group.pk)
    for email in (*OPTED_OUT, "stranger@example.com"):
        opt_out(client, email)
    opt_out(other, "person5@example.com")
    for key in ("person7@example.com", "person1000@example.com", "nobody@example.com"):
        suppress(client, key)
    suppress(other, "person8@example.com")

    at_once, in_pieces = counts(client.pk, group.contact_set, 60), counts(client.pk, group.contact_set, 0)

    assert at_once == [Counted(4_401, len(OPTED_OUT) + 1, None)], "who is erased and opted out is one"
    assert [found.looked_through for found in in_pieces] == [*range(page, 4_401, page), 4_401]
    assert in_pieces[-1] == at_once[0]
    assert counts(other.pk, group.contact_set, 0)[-1] == Counted(4_401, 2, None)
    empty = make_group(client, "Empty")
    assert counts(client.pk, empty.contact_set, 0) == [Counted(0, 0, None)]
