"""What may be posted as a campaign's attributes, in every shape JSON has."""

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendmill.campaigns.attributes import (
    MAX_NAME_CHARACTERS,
    Attributes,
    NewMessage,
    Reference,
    UploadedContacts,
    UploadedMessage,
    parse_attributes,
)
from sendmill.errors import InvalidFields

ID = "57bba6fac75dae266c4aee1f"
VALID: dict[str, Any] = {
    "message": {"source": "new", "description": "My Email Message", "email_message": "This is a test message."},
    "contact_group": {"type": "upload", "name_index": 1, "email_index": 0},
    "schedule": {
        "name": "My Campaign",
        "start_date": "2016-09-08 09:00",
        "timezone": "EST5EDT",
        "sender_id": {"$oid": ID},
    },
}
REQUIRED = "This field is required."


def changed(section: str, **fields: Any) -> dict[str, Any]:
    """The valid attributes with some fields of a section set, or taken out where the value is `...`."""
    attributes = copy.deepcopy(VALID)
    attributes[section].update(fields)
    attributes[section] = {name: value for name, value in attributes[section].items() if value is not ...}
    return attributes


def errors_of(attributes: object) -> dict[str, str]:
    with pytest.raises(InvalidFields) as caught:
        parse_attributes(attributes)
    return {".".join(error.path): error.reason for error in caught.value.errors}


def test_the_reference_s_own_example() -> None:
    parsed = parse_attributes(VALID)
    assert parsed.message == NewMessage("My Email Message", "This is a test message.")
    assert parsed.contacts == UploadedContacts(name_index=1, email_index=0)
    assert parsed.schedule.name == "My Campaign"
    assert parsed.schedule.wall_clock == "2016-09-08 09:00"
    assert parsed.schedule.timezone == "EST5EDT"
    assert parsed.schedule.starts_at == datetime(2016, 9, 8, 13, tzinfo=UTC)
    assert parsed.schedule.sender == Reference(ID, "sender_id")


@pytest.mark.parametrize("key", ["_id", "$_id"])
@pytest.mark.parametrize("value", [ID, ID.upper(), {"$oid": ID}, {"$oid": ID.upper()}])
def test_ids_in_every_form(key: str, value: Any) -> None:
    attributes = changed("schedule", sender_id=value)
    attributes["message"] = {"source": "reuse", key: value}
    attributes["contact_group"] = {"type": "reuse", key: value}
    parsed = parse_attributes(attributes)
    assert parsed.message == parsed.contacts == Reference(ID, key)
    assert parsed.schedule.sender.object_id == ID


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"description": "S"}, UploadedMessage("S")),
        ({"description": "S", "email_message": ""}, UploadedMessage("S")),
        ({"description": "S", "email_message": None, "_id": None}, UploadedMessage("S")),
        ({"description": "S", "email_message": "B"}, NewMessage("S", "B")),
        ({"_id": ID}, Reference(ID, "_id")),
        ({"$_id": {"$oid": ID}, "description": "S", "email_message": "B"}, Reference(ID, "$_id")),
    ],
)
def test_what_upload_means_is_said_by_what_is_there(fields: dict[str, Any], expected: object) -> None:
    parsed = parse_attributes({**VALID, "message": {"source": "upload", **fields}})
    assert parsed.message == expected


@pytest.mark.parametrize(("given", "read"), [("3", 3), (" 3 ", 3), (0, 0), ("0", 0), (250, 250)])
def test_indexes_may_be_text(given: Any, read: int) -> None:
    parsed = parse_attributes(changed("contact_group", name_index=given, email_index=given))
    assert parsed.contacts == UploadedContacts(read, read)


def test_numbers_become_text() -> None:
    parsed = parse_attributes(changed("message", description=5, email_message=2.5))
    assert parsed.message == NewMessage("5", "2.5")


def test_unknown_keys_are_ignored() -> None:
    attributes = changed("schedule", end_date="never")
    attributes["colour"] = "blue"
    assert isinstance(parse_attributes(attributes), Attributes)


def test_everything_wrong_is_told_at_once() -> None:
    assert errors_of(
        {
            "message": {"source": "new"},
            "contact_group": {"type": "upload", "name_index": -1, "email_index": "two"},
            "schedule": {"start_date": "soon", "timezone": "XYZ", "sender_id": {"$oid": "7"}},
        }
    ) == {
        "attributes.message.description": REQUIRED,
        "attributes.message.email_message": REQUIRED,
        "attributes.contact_group.name_index": "Ensure this value is greater than or equal to 0.",
        "attributes.contact_group.email_index": "A valid integer is required.",
        "attributes.schedule.name": REQUIRED,
        "attributes.schedule.start_date": "Datetime has wrong format. "
        "Use one of these formats instead: yyyy-MM-dd HH:mm.",
        "attributes.schedule.timezone": '"XYZ" is not a valid choice.',
        "attributes.schedule.sender_id": 'Invalid pk "7" - object does not exist.',
    }


def test_missing_altogether() -> None:
    assert errors_of(None) == {"attributes": REQUIRED}
    assert errors_of({}) == {f"attributes.{name}": REQUIRED for name in VALID}


@pytest.mark.parametrize("value", [[], "text", 5, True, [VALID]])
def test_what_is_no_object(value: object) -> None:
    reason = f"Invalid data. Expected a dictionary, but got {type(value).__name__}."
    assert errors_of(value) == {"attributes": reason}
    assert errors_of({**VALID, "schedule": value}) == {"attributes.schedule": reason}


@pytest.mark.parametrize(
    ("section", "field"),
    [
        ("message", "source"),
        ("message", "description"),
        ("message", "email_message"),
        ("contact_group", "type"),
        ("contact_group", "name_index"),
        ("contact_group", "email_index"),
        ("schedule", "name"),
        ("schedule", "start_date"),
        ("schedule", "timezone"),
        ("schedule", "sender_id"),
    ],
)
def test_every_field_is_required_and_takes_no_other_type(section: str, field: str) -> None:
    path = f"attributes.{section}.{field}"
    assert errors_of(changed(section, **{field: ...})) == {path: REQUIRED}
    for value in (None, [], {}, True, [1], ""):
        assert list(errors_of(changed(section, **{field: value}))) == [path]


@pytest.mark.parametrize("section", ["message", "contact_group"])
def test_reuse_needs_an_id(section: str) -> None:
    kind = {"message": "source", "contact_group": "type"}[section]
    path = f"attributes.{section}._id"
    assert errors_of({**VALID, section: {kind: "reuse"}}) == {path: REQUIRED}
    for value in (5, True, [ID], {"oid": ID}, {"$oid": 5}, {"$oid": None}):
        (reason,) = errors_of({**VALID, section: {kind: "reuse", "_id": value}}).values()
        assert reason.startswith("Incorrect type. Expected pk value, received ")
    for text in ("", "7", ID + "0", ID[:-1] + "g"):
        assert errors_of({**VALID, section: {kind: "reuse", "_id": text}}) == {
            path: f'Invalid pk "{text}" - object does not exist.'
        }


@pytest.mark.parametrize(("section", "field"), [("message", "source"), ("contact_group", "type")])
def test_another_choice(section: str, field: str) -> None:
    for value in ("other", "New", "UPLOAD", "new "):
        reason = f'"{value}" is not a valid choice.'
        assert errors_of(changed(section, **{field: value})) == {f"attributes.{section}.{field}": reason}


@pytest.mark.parametrize(
    ("section", "field"), [("message", "description"), ("message", "email_message"), ("schedule", "name")]
)
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a\0b", "Null characters are not allowed."),
        ("a\ud800b", "Surrogate characters are not allowed: U+D800."),
        (" \n\t", "This field may not be blank."),
    ],
)
def test_text_that_cannot_be_kept(section: str, field: str, text: str, reason: str) -> None:
    assert errors_of(changed(section, **{field: text})) == {f"attributes.{section}.{field}": reason}


def test_a_name_may_be_long_but_not_endless() -> None:
    parse_attributes(changed("schedule", name="n" * MAX_NAME_CHARACTERS))
    assert list(errors_of(changed("schedule", name="n" * (MAX_NAME_CHARACTERS + 1)))) == ["attributes.schedule.name"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
def test_any_json_is_read_or_refused_with_paths_below_attributes(data: st.DataObject) -> None:
    """Anything at any place of a valid description."""
    attributes = copy.deepcopy(VALID)
    section = data.draw(st.sampled_from([None, *VALID]))
    value = data.draw(JSON)
    if section is None:
        attributes = value
    else:
        field = data.draw(st.sampled_from([None, "_id", *VALID[section]]))
        if field is None:
            attributes[section] = value
        else:
            attributes[section][field] = value
    try:
        parse_attributes(json.loads(json.dumps(attributes)))
    except InvalidFields as error:
        assert all(one.path[0] == "attributes" for one in error.errors)


@pytest.mark.parametrize(
    ("hours", "seconds"), [(..., None), (None, None), (1, 3600.0), (0.5, 1800.0), ("24", 86_400.0), (720, 2_592_000.0)]
)
def test_expiry_hours(hours: object, seconds: float | None) -> None:
    assert parse_attributes(changed("schedule", expiry_hours=hours)).schedule.expiry_seconds == seconds


@pytest.mark.parametrize(
    "hours", [0, -1, 720.1, 10**400, True, "", "soon", "nan", "inf", float("nan"), float("inf"), [], {"hours": 1}]
)
def test_expiry_hours_that_cannot_be(hours: object) -> None:
    assert list(errors_of(changed("schedule", expiry_hours=hours))) == ["attributes.schedule.expiry_hours"]
