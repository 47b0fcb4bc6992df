"""Commands and content as bytes; what EHLO says."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendmill.delivery.smtp import (
    Capabilities,
    auth_login_answer,
    auth_plain,
    mail_command,
    parse_capabilities,
    rcpt_command,
    refuse_addresses,
    refuse_for_capabilities,
    wire_content,
)
from tests.unit.delivery.smtp_peer import message


def received(wire: bytes) -> bytes:
    """What a strict server makes of it (RFC 5321 4.5.2): lines end in CRLF alone, the first dot of a line goes."""
    assert wire == b"" or wire.endswith(b"\r\n")
    lines = wire.split(b"\r\n")
    assert b"." not in lines, "a line that ends the message"
    return b"\r\n".join(line.removeprefix(b".") for line in lines)


def normalised(content: bytes) -> bytes:
    lines = re.split(rb"\r\n|\r|\n", content)
    return b"\r\n".join(lines if lines[-1] == b"" else [*lines, b""])


content_pieces = st.lists(
    st.sampled_from(
        [b"\r\n", b"\r", b"\n", b".", b"..", b"\r\n.\r\n", b"\n.\n", b"\r.\r", b"a", b"\x00", b"\xe2\x80\xa8"]
    )
    | st.binary(max_size=5),
    max_size=30,
).map(b"".join)


@given(content_pieces)
def test_any_content_arrives_as_one_message(content: bytes) -> None:
    wire = wire_content(content)
    assert received(wire) == (normalised(content) if content else b"")
    # Nor is there an end of message for a server that takes a bare CR or LF for a line end.
    assert not re.search(rb"(?:^|[\r\n])\.[\r\n]", wire)
    assert wire.count(b"\r") == wire.count(b"\n") == wire.count(b"\r\n")


@given(st.lists(st.text("ab .\t", max_size=6).map(str.encode), max_size=10))
def test_clean_lines_arrive_byte_exact(lines: list[bytes]) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    assert received(wire_content(content)) == content


def test_ordinary_content_is_not_copied() -> None:
    content = b"Subject: x\r\n\r\nHello.\r\n"
    assert wire_content(content) is content


def test_capabilities() -> None:
    text = b"mail.example.org hello\nPIPELINING\nSIZE 10240000\nstarttls\nAUTH plain LOGIN\n8BITMIME\nSMTPUTF8"
    assert parse_capabilities(text) == Capabilities(
        pipelining=True,
        smtputf8=True,
        eight_bit_mime=True,
        starttls=True,
        size=10240000,
        auth=frozenset({"PLAIN", "LOGIN"}),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", Capabilities()),
        (b"PIPELINING", Capabilities()),  # the first line is the server's name
        (b"x\n\nSIZE", Capabilities(size=0)),
        (b"x\nSIZE 0", Capabilities(size=0)),
        (b"x\nSIZE many", Capabilities(size=0)),
        (b"x\nAUTH=PLAIN LOGIN", Capabilities(auth=frozenset({"PLAIN", "LOGIN"}))),
        (b"x\nAUTH=PLAIN\nAUTH LOGIN", Capabilities(auth=frozenset({"PLAIN", "LOGIN"}))),
        (b"x\nPIPELININGX\n\xff\xfe", Capabilities()),
    ],
)
def test_odd_capabilities(text: bytes, expected: Capabilities) -> None:
    assert parse_capabilities(text) == expected


def test_commands() -> None:
    plain = message(1, content=b"1234\r\n")
    assert mail_command(plain, Capabilities()) == b"MAIL FROM:<news@example.com>\r\n"
    assert mail_command(plain, Capabilities(size=0)) == b"MAIL FROM:<news@example.com> SIZE=6\r\n"
    assert mail_command(plain, Capabilities(smtputf8=True)) == b"MAIL FROM:<news@example.com>\r\n"
    assert rcpt_command(plain) == b"RCPT TO:<user1@example.org>\r\n"
    assert mail_command(message(1, envelope_sender=b""), Capabilities()) == b"MAIL FROM:<>\r\n"


def test_commands_for_smtputf8() -> None:
    offered = Capabilities(smtputf8=True, eight_bit_mime=True, size=0)
    ascii_content = message(1, recipient="grün@example.org".encode(), smtputf8=True, content=b"a\r\n")
    assert mail_command(ascii_content, offered) == b"MAIL FROM:<news@example.com> SIZE=3 SMTPUTF8\r\n"
    other = message(1, smtputf8=True, content="ü\r\n".encode())
    assert mail_command(other, offered) == b"MAIL FROM:<news@example.com> SIZE=4 SMTPUTF8 BODY=8BITMIME\r\n"


@pytest.mark.parametrize("octet", [*range(0x21), 0x7F, ord("<"), ord(">")])
@pytest.mark.parametrize("which", ["recipient", "envelope_sender"])
def test_no_address_can_hold_a_command(octet: int, which: str) -> None:
    for address in (b"a%cb@example.org", b"%ca@example.org", b"a@example.org%c"):
        refusal = refuse_addresses(message(1, **{which: address % octet}, smtputf8=True))
        assert refusal is not None
        assert refusal[0] == 553
        assert refusal[1].startswith("5.1.3 " if which == "recipient" else "5.1.7 ")


def test_addresses() -> None:
    assert refuse_addresses(message(1)) is None
    assert refuse_addresses(message(1, envelope_sender=b"")) is None
    assert refuse_addresses(message(1, recipient=b"")) == (553, "5.1.3 the recipient's address is empty")
    umlaut = "grün@example.org".encode()
    refusal = refuse_addresses(message(1, recipient=umlaut))
    assert refusal is not None
    assert refusal[1].startswith("5.6.7 ")
    assert refuse_addresses(message(1, recipient=umlaut, smtputf8=True)) is None


def test_what_a_relay_cannot_take() -> None:
    small, umlaut = message(1, content=b"12345\r\n"), message(1, smtputf8=True)
    assert refuse_for_capabilities(small, Capabilities(size=7)) is None
    assert refuse_for_capabilities(small, Capabilities(size=0)) is None
    too_large = refuse_for_capabilities(small, Capabilities(size=6))
    assert too_large is not None
    assert too_large[0] == 552
    assert refuse_for_capabilities(umlaut, Capabilities(smtputf8=True)) is None
    lacking = refuse_for_capabilities(umlaut, Capabilities())
    assert lacking is not None
    assert lacking[0] == 550
    assert "SMTPUTF8" in lacking[1]


def test_authentication_lines() -> None:
    # RFC 4616 4 and RFC 4954 4.1 (tim, tanstaaftanstaaf).
    assert auth_plain("tim", "tanstaaftanstaaf") == b"AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n"
    assert auth_login_answer("tim") == b"dGlt\r\n"
