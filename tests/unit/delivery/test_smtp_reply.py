"""Replies from bytes, however they are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendmill.delivery.smtp_reply import (
    MAX_REPLY_BYTES,
    MAX_TEXT_CHARACTERS,
    ReplyParser,
    all_accepted,
    readable,
)


def parse(*pieces: bytes) -> tuple[list[tuple[int, bytes]], bool]:
    parser = ReplyParser()
    replies = [reply for piece in pieces for reply in parser.feed(piece)]
    return replies, parser.broken is not None


@pytest.mark.parametrize(
    ("data", "replies"),
    [
        (b"250 Ok\r\n", [(250, b"Ok")]),
        (b"250 Ok\n", [(250, b"Ok")]),
        (b"250\r\n", [(250, b"")]),
        (b"250\n", [(250, b"")]),
        (b"250 \r\n", [(250, b"")]),
        (b"250-a\r\n250-b\r\n250 c\r\n", [(250, b"a\nb\nc")]),
        (b"250-a\r\n250\r\n", [(250, b"a\n")]),
        (b"450-a\r\n550 b\r\n", [(550, b"a\nb")]),
        (b"250 a\r\n354 b\r\n", [(250, b"a"), (354, b"b")]),
        (b"250 a\r\n354 b", [(250, b"a")]),
        (b"250 Gr\xc3\xbc\xdfe\r\n", [(250, b"Gr\xc3\xbc\xdfe")]),
    ],
)
def test_replies(data: bytes, replies: list[tuple[int, bytes]]) -> None:
    assert parse(data) == (replies, False)


@pytest.mark.parametrize(
    "garbage",
    [b"\r\n", b"hello\r\n", b"199 a\r\n", b"600 a\r\n", b"25 a\r\n", b"2500 a\r\n", b"250x\r\n", b"250_a\r\n"],
)
def test_garbage_breaks_the_parser_for_good(garbage: bytes) -> None:
    parser = ReplyParser()
    assert parser.feed(b"250 a\r\n" + garbage + b"250 b\r\n") == [(250, b"a")]
    assert parser.broken
    assert parser.feed(b"250 c\r\n") == []


@pytest.mark.parametrize(
    "endless",
    [
        b"250 " + b"x" * MAX_REPLY_BYTES + b"\r\n",
        b"250 " + b"x" * MAX_REPLY_BYTES,
        b"x" * (MAX_REPLY_BYTES + 1),
        b"250-x\r\n" * (MAX_REPLY_BYTES // 6 + 1),
    ],
)
def test_endless_replies_are_not_kept(endless: bytes) -> None:
    assert parse(endless) == ([], True)
    assert parse(*(endless[i : i + 100] for i in range(0, len(endless), 100))) == ([], True)


def test_a_reply_of_the_longest_length_is_read() -> None:
    line = b"250 " + b"x" * (MAX_REPLY_BYTES - 5) + b"\r"
    assert parse(line + b"\n") == ([(250, b"x" * (MAX_REPLY_BYTES - 5))], False)


def test_is_between_replies() -> None:
    parser = ReplyParser()
    for piece, expected in ((b"25", False), (b"0-a\r\n", False), (b"250 b", False), (b"\r\n", True)):
        parser.feed(piece)
        assert parser.is_between_replies is expected


reply_lines = st.builds(
    lambda code, separator, text, end: b"%d%b%b%b" % (code, separator, text, end),
    st.integers(190, 610),
    st.sampled_from([b" ", b"-", b"", b"x"]),
    st.binary(max_size=12).map(lambda text: text.replace(b"\n", b"")),
    st.sampled_from([b"\r\n", b"\n"]),
)


@given(st.lists(reply_lines, max_size=8).map(b"".join), st.data())
def test_any_splits_give_the_same(data: bytes, draw: st.DataObject) -> None:
    cuts = sorted(draw.draw(st.sets(st.integers(0, len(data)), max_size=10)))
    pieces = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert parse(*pieces) == parse(data)
    assert parse(*(data[i : i + 1] for i in range(len(data)))) == parse(data)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"250 2.0.0 Ok: queued as 1\r\n250 2.1.0 Ok\r\n250 Ok\r\n354 Go\r\n", b"2.0.0 Ok: queued as 1"),
        (b"250 \r\n250 \r\n250 \r\n354 \r\n", b""),
        (b"250 Ok \r\n250 Ok\r\n250 Ok\r\n354 Go\r\n", b"Ok"),
        (b"250 Ok\r\n250 Ok\r\n250 Ok\r\n354 Go\r", None),
        (b"250 Ok\r\n250 Ok\r\n250 Ok\r\n354 Go\r\n250 Ok\r\n", None),
        (b"250-Ok\r\n250 Ok\r\n250 Ok\r\n250 Ok\r\n354 Go\r\n", None),
        (b"451 No\r\n250 Ok\r\n250 Ok\r\n354 Go\r\n", None),
        (b"250 Ok\r\n250 Ok\r\n550 No\r\n354 Go\r\n", None),
        (b"250 Ok\n250 Ok\n250 Ok\n354 Go\n", None),
        (b"250 " + b"x" * 3_000 + b"\r\n250 Ok\r\n250 Ok\r\n354 Go\r\n", None),
    ],
)
def test_all_accepted_in_one_look(data: bytes, text: bytes | None) -> None:
    assert all_accepted(data) == text
    if text is not None:
        replies, is_broken = parse(data)
        assert [code for code, _ in replies] == [250, 250, 250, 354]
        assert (replies[0][1], is_broken) == (text, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"Ok", "Ok"),
        (b"5.1.1 No such\n5.1.1 user here", "5.1.1 No such user here"),
        (b"a\nb\nc", "a b c"),
        (b"Gr\xc3\xbc\xc3\x9fe", "Grüße"),
        (b"bad \xff byte", "bad � byte"),
        (b"a\x00b\x1b[31mc\rd", "a b [31mc d"),
        ("line\u2028separator".encode(), "line separator"),
    ],
)
def test_readable(text: bytes, expected: str) -> None:
    assert readable(text) == expected


@given(st.binary(max_size=4000))
def test_readable_is_one_bounded_printable_line(text: bytes) -> None:
    line = readable(text)
    assert line.isprintable()
    assert len(line) <= MAX_TEXT_CHARACTERS
