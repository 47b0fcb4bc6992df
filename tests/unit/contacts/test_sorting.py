"""Addresses in order, in flat memory, in whatever order they came."""

import random
from pathlib import Path

import pytest

from sendmill.addresses import InvalidAddress, address_key, parse_address
from sendmill.contacts import sorting
from sendmill.contacts.csv_reader import Batch
from sendmill.contacts.fragments import address_fragment, fragment
from sendmill.contacts.sorting import AddressSorter

ROWS = 20_000
BATCH = 300


@pytest.mark.parametrize("order", ["random", "ascending", "descending"])
def test_sorted(order: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorting, "PARTITION_ROWS", 500)
    monkeypatch.setattr(sorting, "_SAMPLED_KEYS", 1_000)
    emails = [f"Person{number:06}@Example.com" for number in range(ROWS)]
    if order == "random":
        random.Random(1).shuffle(emails)
    elif order == "descending":
        emails.reverse()
    emails += [email.lower() for email in emails[:700]]  # the last spelling counts
    with AddressSorter(tmp_path) as sorter:
        for begin in range(0, len(emails), BATCH):
            some = emails[begin : begin + BATCH]
            sorter.receive(Batch(some, [email.lower() for email in some], [], []))
        pieces = list(sorter.sorted())
    assert [address for piece in pieces for address in piece] == sorted(
        {email.lower(): email for email in emails}.items()
    )
    assert max(map(len, pieces)) < 3 * sorting.PARTITION_ROWS


def test_few_stay_as_they_came(tmp_path: Path) -> None:
    with AddressSorter(tmp_path) as sorter:
        sorter.receive(Batch(["b@x.org", "A@x.org"], ["b@x.org", "a@x.org"], [], []))
        sorter.receive(Batch(["B@x.org"], ["b@x.org"], [], []))
        assert list(sorter.sorted()) == [[("b@x.org", "B@x.org"), ("a@x.org", "A@x.org")]]


def test_no_rows(tmp_path: Path) -> None:
    with AddressSorter(tmp_path) as sorter:
        assert list(sorter.sorted()) == [[]]


def test_nothing_in_an_address_needs_marking_in_json() -> None:
    """Else `address_fragment` would be no JSON: what could do harm is refused, or goes through as JSON has it."""
    accepted = []
    for code in (*range(0x180), *range(0x2000, 0x2070), 0xFEFF, 0x1F600):
        try:
            email = parse_address(f"a{chr(code)}b@example.com")
        except InvalidAddress:
            continue
        key = address_key(email)
        assert address_fragment(email, key) == fragment(email, key, "", {})
        assert address_fragment(key, key) == fragment(key, key, "", {})
        assert "\n" not in email + key
        accepted.append(email)
    assert len(accepted) > 100
