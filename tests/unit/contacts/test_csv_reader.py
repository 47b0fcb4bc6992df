"""CSV files to contacts and rejected rows."""

import csv
import io
import tracemalloc
from typing import BinaryIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sendmill.contacts.csv_dialect import DELIMITERS
from sendmill.contacts.csv_reader import ContactRow, RejectedRow, open_contacts
from sendmill.errors import InvalidField


def read(
    content: bytes | str, email_index: int | None = 1, name_index: int | None = 0
) -> tuple[list[ContactRow], list[RejectedRow]]:
    file = io.BytesIO(content if isinstance(content, bytes) else content.encode())
    contacts: list[ContactRow] = []
    rejected: list[RejectedRow] = []
    for batch in open_contacts(file, email_index=email_index, name_index=name_index).batches():
        assert len(batch.contacts) + len(batch.rejected) <= 4000
        contacts += batch.contacts
        rejected += batch.rejected
    return contacts, rejected


def test_a_usual_file() -> None:
    contacts, rejected = read("Name,E-Mail,City\nBob, Bob@Example.com,Berlin\n\nAl,al@example.com,\n")
    assert contacts == [
        ("Bob@Example.com", "bob@example.com", "Bob", {"City": "Berlin"}),
        ("al@example.com", "al@example.com", "Al", {"City": ""}),
    ]
    assert rejected == []


def test_a_file_without_a_header() -> None:
    contacts, _ = read("Bob,bob@example.com,Berlin\n")
    assert contacts == [("bob@example.com", "bob@example.com", "Bob", {"column_2": "Berlin"})]


def test_a_header_alone() -> None:
    assert read("name,email\n") == ([], [])


def test_short_and_long_rows() -> None:
    contacts, _ = read("name,email,a,b\nBob,bob@example.com\nAl,al@example.com,1,2,3,4\n")
    assert [contact.fields for contact in contacts] == [
        {},
        {"a": "1", "b": "2", "column_4": "3", "column_5": "4"},
    ]


def test_one_column_for_both() -> None:
    contacts, _ = read("bob@example.com\n", 0, 0)
    assert contacts == [("bob@example.com", "bob@example.com", "bob@example.com", {})]


def test_without_a_name_column_names_are_empty() -> None:
    contacts, _ = read("name,email\nBob,bob@example.com\n", 1, None)
    assert contacts == [("bob@example.com", "bob@example.com", "", {"name_2": "Bob"})]


def test_without_indexes_the_email_column_is_found() -> None:
    contacts, _ = read("id;EMAIL\n1;bob@example.com\n", None, None)
    assert [contact.email for contact in contacts] == ["bob@example.com"]


def test_rejected_rows_tell_line_column_value_and_reason() -> None:
    contacts, rejected = read(
        'name, E-Mail ,note\nBob,bob@example.com,"two\nlines"\nAl,al at example.com,\n\nEve\n,,\n"Kim,kim@example.com\n'
    )
    assert len(contacts) == 1
    assert rejected == [
        (4, 1, "E-Mail", "al at example.com", "An email address must have an @-sign."),
        (6, 1, "E-Mail", "", "The email address is missing."),
        (8, 0, "", '"Kim,kim@example.com', "A quoted field begins on this line and is never closed."),
    ]


def test_in_a_file_without_a_header_the_email_column_is_named_by_its_index() -> None:
    _, rejected = read("bob@example.com\nbob\n", 0, None)
    assert rejected[0].column == "column_0"


def test_what_is_kept_of_a_rejected_value_is_bounded() -> None:
    _, rejected = read(f"name,email\nBob,{'x' * 100_000}\n")
    assert len(rejected[0].value) == 255


def test_rows_of_blank_cells_are_no_rows() -> None:
    contacts, rejected = read(" , \n\nname,email\n,,,\n , \nBob,bob@example.com\n\t\n")
    assert len(contacts) == 1
    assert rejected == []


def test_a_row_of_too_many_cells_is_rejected() -> None:
    _, rejected = read("name,email\nBob,bob@example.com" + "," * 1000 + "\n")
    assert rejected[0].reason == "The row has more than 1,000 cells."


@pytest.mark.parametrize(
    ("content", "email_index", "name_index", "field", "reason"),
    [
        (b"", 1, 0, "csv_file", "The submitted file is empty."),
        (b"\xef\xbb\xbf", 1, 0, "csv_file", "The file holds no rows."),
        (b"\r\n\r\n , \n", 1, 0, "csv_file", "The file holds no rows."),
        (b"name,email\nBob\x00,bob@example.com\n", 1, 0, "csv_file", "binary data"),
        (b'"name,email\nBob,bob@example.com\n', 1, 0, "csv_file", "Line 1: A quoted field"),
        (b"name,email\n", 2, 0, "email_index", "the last one has index 1"),
        (b"name,email\n", 1, 2, "name_index", "the last one has index 1"),
        (b"name\nBob\n", None, None, "csv_file", "none holds an email address"),
    ],
)
def test_a_file_that_cannot_be_used(
    content: bytes, email_index: int | None, name_index: int | None, field: str, reason: str
) -> None:
    with pytest.raises(InvalidField, match=reason) as caught:
        open_contacts(io.BytesIO(content), email_index=email_index, name_index=name_index)
    assert caught.value.path == (field,)


def test_no_file() -> None:
    with pytest.raises(InvalidField, match="No file was submitted"):
        open_contacts(None, email_index=0)


encodings = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"])
any_cell = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
ansi_cell = st.text(st.sampled_from("aé€“ß ,;|\t\"'\r\n"), max_size=20)


def _on_one_line(cell: str) -> str:
    return cell.replace("\r", " ").replace("\n", " ")


@given(
    data=st.data(),
    encoding=encodings,
    delimiter=st.sampled_from(DELIMITERS),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    email_index=st.integers(0, 2),
)
def test_what_csv_writer_writes_is_read_back(
    data: st.DataObject, encoding: str, delimiter: str, line_end: str, quoting: int, email_index: int
) -> None:
    cell = ansi_cell if encoding == "cp1252" else any_cell
    rows = data.draw(st.lists(st.tuples(cell, cell), max_size=8))
    name_index, other_index = [index for index in range(3) if index != email_index]
    headers = ["mail", "who", "Größe"]  # no bytes of Windows-1252 that could be UTF-8, too
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
    writer.writerow(headers)
    if quoting == csv.QUOTE_MINIMAL:  # writes line breaks without quotes, unless they are its own line end
        rows = [(_on_one_line(name), _on_one_line(other)) for name, other in rows]
    for number, (name, other) in enumerate(rows):
        row = ["", "", ""]
        row[email_index], row[name_index], row[other_index] = f"Bob{number}@example.com", name, other
        writer.writerow(row)
    contacts, rejected = read(text.getvalue().encode(encoding), email_index, name_index)
    assert rejected == []
    assert contacts == [
        (f"Bob{number}@example.com", f"bob{number}@example.com", name, {headers[other_index]: other})
        for number, (name, other) in enumerate(rows)
    ]


@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(st.sampled_from('a@b.co",;\n\r\x00é'), max_size=80).map(str.encode),
        st.text(st.sampled_from('a@b.co",;\n\ré'), max_size=80).map(lambda text: text.encode("utf-16")),
    ),
    st.sampled_from([None, 0, 1]),
    st.sampled_from([None, 0, 1]),
)
@example(b"\xff\xfe", 0, 0)
@example(b"\xff", 0, 0)
@example(b"\r", 0, 0)
def test_arbitrary_bytes_are_read_or_refused(content: bytes, email_index: int | None, name_index: int | None) -> None:
    try:
        contacts, rejected = read(content, email_index, name_index)
    except InvalidField as error:
        assert error.path[0] in ("csv_file", "email_index", "name_index")
        return
    for contact in contacts:
        assert "\0" not in contact.name + "".join(contact.fields.values())
        assert "@" in contact.email
    assert all(row.line >= 1 and row.reason for row in rejected)


class GeneratedFile(io.RawIOBase):
    """A file of `count` equal blocks, none of which is stored."""

    def __init__(self, head: bytes, block: bytes, count: int) -> None:
        self._head, self._block, self._count = head, block, count
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        assert (offset, whence) in ((0, 0), (0, 2))
        self._position = (len(self._head) + len(self._block) * self._count) if whence else 0
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        position = self._position
        if position < len(self._head):
            source = self._head[position : position + len(buffer)]
        elif position < len(self._head) + len(self._block) * self._count:
            source = self._block[(position - len(self._head)) % len(self._block) :][: len(buffer)]
        else:
            return 0
        buffer[: len(source)] = source
        self._position += len(source)
        return len(source)


def peak_memory(file: BinaryIO) -> int:
    tracemalloc.start()
    try:
        for _ in open_contacts(file, email_index=1, name_index=0).batches():
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("line", "block_bytes"),
    [
        pytest.param(b"Bob,bob@example.com,x\n", 20_000, id="contacts"),
        pytest.param(b"no address\n", 30_000, id="rejected rows"),
        pytest.param(b'"' + b"x" * 50_000 + b'",bob@example.com\n', 200_000, id="long rows"),
    ],
)
def test_memory_does_not_grow_with_the_file(line: bytes, block_bytes: int) -> None:
    block = line * (block_bytes // len(line) + 1)
    small, large = (peak_memory(io.BufferedReader(GeneratedFile(b"name,email\n", block, count))) for count in (20, 60))
    assert large < small + 300_000


def test_a_file_of_blank_lines_gives_signs_of_life() -> None:
    file = io.BytesIO(b"name,email\n" + b"\n" * 3_500_000)
    assert len(list(open_contacts(file, email_index=1).batches())) >= 3
