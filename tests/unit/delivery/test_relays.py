"""SENDMILL_SMTP_URL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendmill.delivery.relays import Relay, RelaySettingError, parse_relays
from sendmill.errors import SettingError


def one(url: str) -> Relay:
    (relay,) = parse_relays(url)
    return relay


def test_outbox() -> None:
    assert parse_relays(" outbox: ") == (Relay("outbox"),)
    assert one("outbox:").name == "outbox"


def test_defaults() -> None:
    assert one("smtp://mail.example.org") == Relay(
        kind="smtp", host="mail.example.org", port=25, tls="auto", verify=True, connections=20, rate=None
    )


@pytest.mark.parametrize(
    ("url", "port", "tls"),
    [
        ("smtp://h:587", 587, "auto"),
        ("smtp://h:465", 465, "implicit"),
        ("smtp://h:465?tls=none", 465, "none"),
        ("smtp://h:465?tls=starttls", 465, "starttls"),
        ("smtp://h?tls=implicit", 465, "implicit"),
        ("smtp://h:2465?tls=implicit", 2465, "implicit"),
        ("smtp://h/?tls=starttls", 25, "starttls"),
    ],
)
def test_ports_and_tls(url: str, port: int, tls: str) -> None:
    relay = one(url)
    assert (relay.port, relay.tls) == (port, tls)


def test_everything_and_several() -> None:
    first, second = parse_relays(
        "smtp://us%40er:p%2C%3A%2F%3F%23%40ss@[2001:db8::1]:587?tls=starttls&connections=5&rate=2.5&verify=no,"
        " smtp://b.example.org:2525"
    )
    assert first == Relay("smtp", "2001:db8::1", 587, "us@er", "p,:/?#@ss", "starttls", False, 5, 2.5)
    assert first.name == "[2001:db8::1]:587"
    assert second.name == "b.example.org:2525"


def test_whose_mail_and_in_which_order() -> None:
    relay = parse_relays(
        "smtp://a,smtp://b?priority=2&senders=News%40A.example;B%C3%BCcher.example&clients=57BBA6FAC75DAE266C4AEE1F"
    )[1]
    assert relay.priority == 2
    assert relay.senders == {"news@a.example", "xn--bcher-kva.example"}
    assert relay.clients == {"57bba6fac75dae266c4aee1f"}
    assert not relay.takes_anybody


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("smtp://a?priority=0", "priority"),
        ("smtp://a?priority=x", "priority"),
        ("smtp://a,smtp://b?senders=", "senders"),
        ("smtp://a,smtp://b?senders=a%20b", "senders"),
        ("smtp://a,smtp://b?senders=x.example;", "senders"),
        ("smtp://a,smtp://b?clients=123", "clients"),
        ("smtp://a?senders=x.example", "everybody else's"),
    ],
)
def test_choices_that_can_not_be_read(url: str, problem: str) -> None:
    with pytest.raises(RelaySettingError, match=problem):
        parse_relays(url)


def test_secrets_are_not_shown() -> None:
    relay = one("smtp://someuser:somepassword@h")
    assert (relay.user, relay.password) == ("someuser", "somepassword")
    assert "some" not in repr(relay) + str(relay) + relay.name


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("", "relay 1"),
        ("mail.example.org:25", "smtp://"),
        ("http://h", "smtp://"),
        ("outbox:,smtp://h", "relay 1"),
        ("smtp://h,", "relay 2"),
        ("smtp://", "host"),
        ("smtp://:25", "host"),
        ("smtp://h:0", "port"),
        ("smtp://h:65536", "port"),
        ("smtp://h:x", "port"),
        ("smtp://[::1", "host"),
        ("smtp://bücher.example", "ASCII"),
        ("smtp://h/path", "after the port"),
        ("smtp://h#x", "after the port"),
        ("smtp://h?unknown=1", "tls, connections, rate, verify"),
        ("smtp://h?tls=none&tls=auto", "twice"),
        ("smtp://h?tls=maybe", "tls must be"),
        ("smtp://h?tls", "tls must be"),
        ("smtp://h?connections=0", "connections"),
        ("smtp://h?connections=1001", "connections"),
        ("smtp://h?connections=two", "connections"),
        ("smtp://h?rate=0", "rate"),
        ("smtp://h?rate=-1", "rate"),
        ("smtp://h?rate=nan", "rate"),
        ("smtp://h?rate=inf", "rate"),
        ("smtp://h?rate=", "rate"),
        ("smtp://h?verify=maybe", "verify"),
        ("smtp://user@h", "user:password"),
        ("smtp://:password@h", "user:password"),
        ("smtp://u%00:p@h", "NUL"),
        ("smtp://u:%ff@h", "UTF-8"),
        ("smtp://u:p@h?tls=none", "clear"),
        ("smtp://h:25,smtp://H:25", "named twice"),
        ("smtp://h,smtp://h:25?tls=none", "named twice"),
    ],
)
def test_wrong_settings(url: str, named: str) -> None:
    with pytest.raises(RelaySettingError) as caught:
        parse_relays(url)
    assert named in str(caught.value)
    assert str(caught.value).startswith("SENDMILL_SMTP_URL: ")
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, SettingError)


@given(
    st.text("XYZ,/?#@:&=%[] ü", min_size=4, max_size=20).filter(lambda text: any(c in text for c in "XYZ")),
    st.sampled_from(["", ",smtp://b.example.org", "?tls=none", "?connections=0"]),
)
def test_no_error_shows_a_piece_of_an_unencoded_password(password: str, rest: str) -> None:
    try:
        relays = parse_relays(f"smtp://user:{password}@mail.example.org:25{rest}")
    except RelaySettingError as error:
        assert not set("XYZ") & set(str(error).replace("SENDMILL_SMTP_URL", ""))
        assert error.__cause__ is None
        assert error.__suppress_context__ or error.__context__ is None
    else:
        assert all("X" not in relay.name and "Y" not in relay.name for relay in relays)
