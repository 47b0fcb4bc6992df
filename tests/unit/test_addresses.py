"""Addresses: what is valid, what is the same, and the envelope form."""

import string
import unicodedata

import email_validator
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sendmill import addresses
from sendmill.addresses import (
    EnvelopeAddress,
    InvalidAddress,
    address_key,
    domain_of,
    envelope_address,
    parse_address,
)

VALID = [
    "bob@example.com",
    "Bob.O'Brien+news@Sub.Example.TEST",
    "a@test.com",
    "a@host.local",
    "_@b.co",
    "!#$%&'*+/=?^_`{|}~-@b.co",
    "a@foo--bar.com",
    "a@xn--bcher-kva.de",
    "1@2.co",
    "müller@example.de",
    "用户@例子.公司",
    "a@bücher.de",
    "a" * 64 + "@" + "b" * 63 + ".de",
    "é" * 32 + "@example.de",
]

INVALID = [
    "",
    "   ",
    "bob",
    "@",
    "bob@",
    "@example.com",
    "bob@localhost",
    "bob@example.com.",
    "bob@.example.com",
    "bob@example..com",
    ".bob@example.com",
    "bob.@example.com",
    "b..b@example.com",
    "bob@-example.com",
    "bob@example-.com",
    "bob@ab--cd.com",
    "bob@xn--a.com",
    "bob@exam_ple.com",
    "bob@1.2.3.4",
    "bob@[1.2.3.4]",
    "bob@@example.com",
    "a@b@example.com",
    "bob smith@example.com",
    '"bob smith"@example.com',
    '"bob"@example.com',
    "Bob <bob@example.com>",
    "<bob@example.com>",
    "bob@example.com,al@example.com",
    "bob@example.com\r\nRCPT TO:<al@example.com>",
    "bob\n@example.com",
    "bob\x00@example.com",
    "bob@example.com\x00",
    "bob@exam\tple.com",
    "bob\u200b@example.com",
    "\ufeffbob@example.com",
    "bob\u202e@example.com",
    "bob@ex\ud800ample.com",
    "\ud800@example.com",
    "bob＠example.com",
    "a" * 65 + "@example.com",
    "é" * 33 + "@example.de",
    "a@" + "b" * 64 + ".com",
    "a@" + ".".join(["b" * 60] * 5) + ".com",
]


@pytest.mark.parametrize("text", VALID)
def test_a_valid_address_is_kept_as_written(text: str) -> None:
    assert parse_address(text) == text


@pytest.mark.parametrize("text", VALID)
def test_white_space_around_an_address_is_trimmed(text: str) -> None:
    assert parse_address(f" \t{text}\u00a0\r\n") == text


@pytest.mark.parametrize("text", INVALID)
def test_an_invalid_address_is_refused_with_a_reason_on_one_printable_line(text: str) -> None:
    with pytest.raises(InvalidAddress) as caught:
        parse_address(text)
    assert caught.value.reason.endswith((".", ")"))
    assert caught.value.reason.isprintable()


def test_a_huge_text_is_refused_at_once() -> None:
    with pytest.raises(InvalidAddress, match="longer than 254"):
        parse_address("a" * 10_000_000 + "@example.com")


atext = string.ascii_letters + string.digits + "!#$%&'*+/=?^_`{|}~-."
nearly_addresses = st.one_of(
    st.builds(
        "{}@{}".format,
        st.text(atext, min_size=1, max_size=70),
        st.text(string.ascii_letters + string.digits + "-.x", min_size=1, max_size=80),
    ),
    st.builds(
        "{}@{}.{}".format,
        st.text(atext, min_size=1, max_size=20),
        st.text(string.ascii_lowercase + "-", min_size=1, max_size=70),
        st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=10),
    ),
    st.text(st.characters(max_codepoint=127), max_size=40),
    st.from_regex(r"[a-z.]{1,8}@[a-z0-9.-]{1,12}", fullmatch=True),
)


@given(nearly_addresses)
@example("a@b-.c")
@example("a@b.c1")
@example("a@b.1c")
@example("a@ab--cd.ef")
@example("a" * 62 + "@b.co")
def test_the_fast_path_takes_nothing_that_email_validator_refuses(text: str) -> None:
    try:
        expected = parse_address_slowly(text)
    except InvalidAddress:
        with pytest.raises(InvalidAddress):
            parse_address(text)
    else:
        assert parse_address(text) == expected


def parse_address_slowly(text: str) -> str:
    """What `parse_address` says without its fast path."""
    address = text.strip()
    addresses._check(address)
    return address


@given(st.emails(domains=st.from_regex(r"[a-z]{1,10}(-[a-z]{1,5})?\.(com|test|example)", fullmatch=True)))
def test_what_email_validator_takes_in_ascii_is_valid(text: str) -> None:
    try:
        email_validator.validate_email(text, check_deliverability=False, strict=True)
    except email_validator.EmailNotValidError:
        with pytest.raises(InvalidAddress):
            parse_address(text)
    else:
        assert parse_address(text) == text


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_text_does_anything_but_parse_or_be_refused(before: str, after: str) -> None:
    for text in (before, f"{before}@{after}", f"{before}@example.com", f"a@{after}.de"):
        try:
            address = parse_address(text)
        except InvalidAddress:
            continue
        assert address == text.strip()
        assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zs", "Zl", "Zp") for c in address)
        assert len(address_key(address)) <= 320
        octets = envelope_address(address).octets
        assert not set(octets) & set(b"\r\n\x00 <>")
        assert len(octets.rpartition(b"@")[0]) <= 64


def test_addresses_are_one_without_regard_to_case() -> None:
    assert address_key("Bob@Example.COM") == address_key("bob@example.com") == "bob@example.com"
    assert address_key("MÜLLER@Example.de") == address_key("müller@example.DE")


def test_composed_and_decomposed_spellings_are_one_address() -> None:
    assert address_key("mu\u0308ller@example.de") == address_key("m\u00fcller@example.de")


def test_a_domain_and_its_punycode_are_one_address() -> None:
    assert address_key("x@Bücher.de") == address_key("x@XN--BCHER-KVA.de") == "x@xn--bcher-kva.de"


def test_different_addresses_stay_different() -> None:
    assert address_key("strasse@example.de") != address_key("straße@example.de")
    assert address_key("bob+a@example.de") != address_key("bob@example.de")


@given(st.text(st.characters(categories=["L", "M", "N"]), min_size=1, max_size=20))
def test_a_key_is_the_key_of_itself(local_part: str) -> None:
    try:
        address = parse_address(f"{local_part}@bücher.de")
    except InvalidAddress:
        return
    key = address_key(address)
    assert address_key(key) == key


@pytest.mark.parametrize(
    ("address", "octets", "needs_smtputf8"),
    [
        ("Bob@Example.com", b"Bob@Example.com", False),
        ("bob@bücher.de", b"bob@xn--bcher-kva.de", False),
        ("bob@BÜCHER.de", b"bob@xn--bcher-kva.de", False),
        ("müller@bücher.de", "müller@xn--bcher-kva.de".encode(), True),
        ("mu\u0308ller@example.de", "m\u00fcller@example.de".encode(), True),
    ],
)
def test_the_envelope_form(address: str, octets: bytes, needs_smtputf8: bool) -> None:
    assert envelope_address(address) == EnvelopeAddress(octets, needs_smtputf8)


@pytest.mark.parametrize("text", ["bob@example.com>\r\nDATA", "bob@example.com\x00", "bob", "b b@example.com"])
def test_nothing_but_an_address_reaches_the_envelope(text: str) -> None:
    with pytest.raises(InvalidAddress):
        envelope_address(text)


def test_the_domain_is_in_lower_case_a_labels() -> None:
    assert domain_of("bob@Example.COM") == "example.com"
    assert domain_of("bob@Bücher.de") == "xn--bcher-kva.de"
