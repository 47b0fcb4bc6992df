"""What DNS says of a sending domain, asked of a real DNS server on loopback."""

import time
from collections.abc import Sequence

import pytest

from sendmill.accounts.models import Client
from sendmill.senders.dkim_keys import SigningKey, add_key, public_key_record
from sendmill.senders.dns_lookup import Dns
from sendmill.senders.dns_records import RecordCheck, RecordState, check_domain, check_relay_host
from tests.database.campaigns.making import make_client
from tests.dns_server import Zone, dns_server

pytestmark = pytest.mark.django_db

DOMAIN = "books.example"
RELAY = "mail.books.example"
RELAY_ADDRESS = "8.8.4.4"  # a public one; it is named and never connected to


def zone_line(value: str) -> str:
    return " ".join(f'"{value[begin : begin + 255]}"' for begin in range(0, len(value), 255))


def texts(*values: str) -> list[str]:
    return [zone_line(value) for value in values]


def checked(zone: Zone, relays: Sequence[str] = (RELAY,), client: Client | None = None) -> dict[str, RecordCheck]:
    with dns_server(zone) as server:
        return {check.subject: check for check in check_domain(DOMAIN, client, relays, Dns([server.address]))}


def spf(record: str, more: Zone | None = None, relays: Sequence[str] = (RELAY,)) -> RecordCheck:
    zone = {(DOMAIN, "TXT"): texts("some other text", record), (RELAY, "A"): [RELAY_ADDRESS], **(more or {})}
    return checked(zone, relays)["SPF"]


@pytest.fixture
def key() -> SigningKey:
    return add_key(DOMAIN, "news", "rsa")


def test_a_domain_with_everything_is_good(key: SigningKey) -> None:
    found = checked(
        {
            (DOMAIN, "TXT"): texts("v=spf1 a:mail.books.example -all"),
            (DOMAIN, "MX"): ["10 mail.books.example."],
            (RELAY, "A"): [RELAY_ADDRESS],
            # Longer than a datagram holds: asked again over TCP.
            (f"news._domainkey.{DOMAIN}", "TXT"): texts(f"{public_key_record(key.key)}; n={'x' * 200}"),
            (f"_dmarc.{DOMAIN}", "TXT"): texts("v=DMARC1; p=reject"),
        }
    )
    assert list(found) == ["SPF", "DKIM", "DMARC", "MX"]
    assert {check.state for check in found.values()} == {RecordState.GOOD}
    assert all(check.wanted is None for check in found.values())


def test_what_is_missing_is_told_as_the_record_to_add(key: SigningKey) -> None:
    found = checked({(RELAY, "A"): [RELAY_ADDRESS]})
    assert found["SPF"].state is RecordState.MISSING
    assert found["SPF"].wanted == "v=spf1 a:mail.books.example ~all"
    assert found["DKIM"].name == "news._domainkey.books.example"
    assert found["DKIM"].wanted == public_key_record(key.key)
    assert found["DMARC"].state is RecordState.MISSING
    assert str(found["DMARC"].wanted).startswith("v=DMARC1; p=none; ")
    assert found["MX"].state is RecordState.WRONG


def test_the_records_that_are_told_are_good_ones(key: SigningKey) -> None:
    empty = checked({(RELAY, "A"): [RELAY_ADDRESS]})
    published: dict[tuple[str, str], list[str]] = {(RELAY, "A"): [RELAY_ADDRESS]}
    for check in empty.values():
        if check.wanted:
            published[check.name, check.type] = texts(check.wanted)
    found = checked(published)
    assert {found[subject].state for subject in ("SPF", "DKIM", "DMARC")} == {RecordState.GOOD}


@pytest.mark.parametrize(
    ("record", "state"),
    [
        ("v=spf1 ip4:8.8.4.4 -all", RecordState.GOOD),
        ("v=spf1 ip4:8.8.0.0/16 ~all", RecordState.GOOD),
        ("v=spf1 include:_spf.books.example ~all", RecordState.GOOD),
        ("v=spf1 redirect=_spf.books.example", RecordState.GOOD),
        ("V=SPF1 A:mail.books.example ~ALL", RecordState.GOOD),
        ("v=spf1 mx -all", RecordState.ADVICE),
        ("v=spf1 ip4:8.8.8.8 -all", RecordState.ADVICE),
        ("v=spf1 a:mail.books.example", RecordState.ADVICE),
        ("v=spf1 +all", RecordState.WRONG),
        ("v=spf1 ip4:8.8.4.4.4 -all", RecordState.WRONG),
        ("v=spf1 ip4:8.8.4.4/33 -all", RecordState.WRONG),
        ("v=spf1 wrong:8.8.4.4 -all", RecordState.WRONG),
        ("v=spf1 include:nowhere.example -all", RecordState.WRONG),
        ("v=spf1 include:loop.books.example -all", RecordState.WRONG),
    ],
)
def test_spf_is_evaluated_for_the_relay(record: str, state: RecordState) -> None:
    more = {
        ("_spf.books.example", "TXT"): texts("v=spf1 ip4:8.8.4.0/24 ~all"),
        ("loop.books.example", "TXT"): texts("v=spf1 include:loop.books.example -all"),
    }
    check = spf(record, more)
    assert check.state is state, check
    assert check.found == (record,)


def test_a_relay_that_spf_refuses_is_added_before_the_end() -> None:
    check = spf("v=spf1 ip4:8.8.8.8 -all")
    assert check.wanted == "v=spf1 ip4:8.8.8.8 a:mail.books.example -all"


def test_a_relay_of_an_included_provider_may_send_from_elsewhere() -> None:
    more = {
        ("_spf.provider.example", "TXT"): texts("v=spf1 ip4:9.9.9.0/24 -all"),
        ("smtp.provider.example", "A"): [RELAY_ADDRESS],
    }
    check = spf("v=spf1 include:_spf.provider.example -all", more, ["smtp.provider.example"])
    assert check.state is RecordState.GOOD


def test_several_spf_records_are_none() -> None:
    check = checked({(DOMAIN, "TXT"): texts("v=spf1 a -all", "v=spf1 mx -all")})["SPF"]
    assert check.state is RecordState.WRONG
    assert len(check.found) == 2


@pytest.mark.parametrize(
    ("record", "state"),
    [
        ("p={p}", RecordState.GOOD),
        ("v=DKIM1;k=rsa;p={p}; t=s", RecordState.GOOD),
        ("v=DKIM1; t=y; p={p}", RecordState.ADVICE),
        ("v=DKIM1; p=", RecordState.WRONG),
        ("v=DKIM1; k=ed25519; p={p}", RecordState.WRONG),
        ("v=DKIM1; h=sha1; p={p}", RecordState.WRONG),
        ("v=DKIM1; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A", RecordState.WRONG),
    ],
)
def test_the_published_key_is_compared(key: SigningKey, record: str, state: RecordState) -> None:
    public = public_key_record(key.key).rpartition("p=")[2]
    found = checked({(f"news._domainkey.{DOMAIN}", "TXT"): texts(record.format(p=public))})
    assert found["DKIM"].state is state
    assert (found["DKIM"].wanted is None) == (state is RecordState.GOOD)


def test_keys_of_other_clients_are_not_looked_at() -> None:
    ours, theirs = make_client(), make_client()
    add_key(DOMAIN, "theirs", "ed25519", theirs)
    assert checked({}, client=ours)["DKIM"].state is RecordState.MISSING
    assert checked({}, client=ours)["DKIM"].wanted is None
    assert checked({}, client=theirs)["DKIM"].name == f"theirs._domainkey.{DOMAIN}"


def test_the_policy_of_the_domain_above_counts() -> None:
    zone = {("_dmarc.example", "TXT"): texts("v=DMARC1; p=none"), (f"_dmarc.{DOMAIN}", "A"): ["192.0.2.9"]}
    assert checked(zone)["DMARC"].state is RecordState.MISSING  # nobody asks a top-level domain
    with dns_server({(f"_dmarc.{DOMAIN}", "TXT"): texts("v=DMARC1; p=none; sp=reject")}) as server:
        found = check_domain(f"news.{DOMAIN}", None, [], Dns([server.address]))
    dmarc = next(check for check in found if check.subject == "DMARC")
    assert (dmarc.state, dmarc.name) == (RecordState.GOOD, f"_dmarc.{DOMAIN}")
    assert "reject" in dmarc.explanation


@pytest.mark.parametrize("policy", ["v=DMARC1", "v=DMARC1; p=maybe"])
def test_a_policy_without_a_policy_is_wrong(policy: str) -> None:
    assert checked({(f"_dmarc.{DOMAIN}", "TXT"): texts(policy)})["DMARC"].state is RecordState.WRONG


def test_a_null_mx_takes_no_mail() -> None:
    assert checked({(DOMAIN, "MX"): ["0 ."]})["MX"].state is RecordState.WRONG
    assert checked({(DOMAIN, "A"): ["192.0.2.9"]})["MX"].state is RecordState.ADVICE


def test_addresses_have_to_point_back() -> None:
    pointer = ("4.4.8.8.in-addr.arpa", "PTR")
    for zone, state in (
        ({(RELAY, "A"): [RELAY_ADDRESS], pointer: ["mail.books.example."]}, RecordState.GOOD),
        ({(RELAY, "A"): [RELAY_ADDRESS], pointer: ["other.books.example."]}, RecordState.ADVICE),
        ({(RELAY, "A"): [RELAY_ADDRESS]}, RecordState.ADVICE),
        ({(RELAY, "A"): ["10.0.0.1"]}, RecordState.GOOD),
    ):
        with dns_server(zone) as server:
            assert check_relay_host(RELAY, Dns([server.address])).state is state


def test_failing_dns_is_not_a_missing_record(key: SigningKey) -> None:
    found = checked({(DOMAIN, "SERVFAIL"): [], (f"_dmarc.{DOMAIN}", "TXT"): texts("v=DMARC1; p=none")})
    assert found["SPF"].state is RecordState.UNKNOWN
    assert found["MX"].state is RecordState.UNKNOWN
    assert found["DMARC"].state is RecordState.GOOD


def test_silent_dns_ends_soon(key: SigningKey) -> None:
    silent = [DOMAIN, f"_dmarc.{DOMAIN}", f"news._domainkey.{DOMAIN}", RELAY]
    began = time.monotonic()
    found = checked({(name, "SILENT"): [] for name in silent})
    assert time.monotonic() - began < 8
    assert {check.state for check in found.values()} == {RecordState.UNKNOWN}
    assert {check.wanted for check in found.values()} == {None}
