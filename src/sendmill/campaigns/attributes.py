"""What a user posted as a campaign's `attributes`, checked as far as that goes without the database. Pure.

It is JSON of any shape. Whatever is wrong with it is told at once, each error with its path, in Django REST
framework's words.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sendmill.campaigns.schedule import check_timezone, instant_of, parse_wall_clock
from sendmill.contacts.csv_columns import parse_index
from sendmill.errors import InvalidField, InvalidFields, all_of
from sendmill.ids import parse_object_id

MAX_NAME_CHARACTERS = 1000
"""Of a campaign's name, which comes back with every single result."""

MAX_EXPIRY_HOURS = 720
"""30 days: what a mail server has put off for so long, it will not take."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reference:
    """An existing resource; `key` is the one under which its id was posted."""

    object_id: str
    key: str


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message that came as text."""

    description: str
    email_message: str


@dataclass(frozen=True, slots=True)
class UploadedMessage:
    """A message whose text is in a file."""

    description: str


@dataclass(frozen=True, slots=True)
class UploadedContacts:
    """Contacts in a CSV file, and the columns of their names and addresses, from 0."""

    name_index: int
    email_index: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """Who sends, and when: `wall_clock` (`yyyy-MM-dd HH:mm`) in `timezone` is `starts_at` (UTC).

    `expiry_seconds` is how long deferred recipients are retried, None for the installation's own time.
    """

    name: str
    wall_clock: str
    timezone: str
    starts_at: datetime
    sender: Reference
    expiry_seconds: float | None


@dataclass(frozen=True, slots=True)
class Attributes:
    """A campaign as it was asked for."""

    message: NewMessage | UploadedMessage | Reference
    contacts: UploadedContacts | Reference
    schedule: Schedule


def parse_attributes(attributes: object) -> Attributes:
    """The campaign that `attributes` (parsed JSON) describes.

    Raises InvalidFields, with every path below "attributes".
    """
    if attributes is None:
        raise InvalidFields([InvalidField("attributes", "This field is required.")])
    if not isinstance(attributes, Mapping):
        raise InvalidFields([InvalidField("attributes", _not_an_object(attributes))])
    try:
        message, contacts, schedule = all_of(
            lambda: _section(attributes, "message", _message),
            lambda: _section(attributes, "contact_group", _contacts),
            lambda: _section(attributes, "schedule", parse_schedule),
        )
    except InvalidFields as errors:
        raise errors.below("attributes") from None
    return Attributes(message, contacts, schedule)


def _section(values: Mapping[str, Any], field: str, read: Callable[[Mapping[str, Any]], T]) -> T:
    section = _given(values, field)
    if not isinstance(section, Mapping):
        raise InvalidField(field, _not_an_object(section))
    try:
        return read(section)
    except (InvalidField, InvalidFields) as error:
        raise error.below(field) from None


def _message(values: Mapping[str, Any]) -> NewMessage | UploadedMessage | Reference:
    source = _choice(values, "source", "new", "reuse", "upload")
    # Programs say `upload` for what they send along with the rest, too: what is there decides.
    if source == "upload" and any(values.get(key) for key in ("_id", "$_id")):
        source = "reuse"
    if source == "upload" and values.get("description") and values.get("email_message"):
        source = "new"
    match source:
        case "reuse":
            return _own_id(values)
        case "upload":
            return UploadedMessage(_text(values, "description"))
        case _:
            return NewMessage(*all_of(lambda: _text(values, "description"), lambda: _text(values, "email_message")))


def _contacts(values: Mapping[str, Any]) -> UploadedContacts | Reference:
    if _choice(values, "type", "upload", "reuse") == "reuse":
        return _own_id(values)
    return UploadedContacts(
        *all_of(
            lambda: parse_index(values.get("name_index"), "name_index"),
            lambda: parse_index(values.get("email_index"), "email_index"),
        )
    )


def parse_schedule(values: Mapping[str, Any]) -> Schedule:
    """The part of a campaign that says who sends it, and when. Raises InvalidFields and InvalidField."""
    name, wall_clock, timezone, sender, expiry_seconds = all_of(
        lambda: _text(values, "name", MAX_NAME_CHARACTERS),
        lambda: parse_wall_clock(_text(values, "start_date")),
        lambda: check_timezone(_text(values, "timezone", 64)),
        lambda: _reference(values, "sender_id"),
        lambda: _expiry_seconds(values),
    )
    starts_at = instant_of(wall_clock, timezone)
    return Schedule(name, f"{wall_clock:%Y-%m-%d %H:%M}", timezone, starts_at, sender, expiry_seconds)


def _expiry_seconds(values: Mapping[str, Any]) -> float | None:
    """`expiry_hours`, an addition to the reference, in seconds. A number, or one as text; null is as missing."""
    value = values.get("expiry_hours")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InvalidField("expiry_hours", "A valid number is required.")
    try:
        hours = float(value)
    except (ValueError, OverflowError):
        raise InvalidField("expiry_hours", "A valid number is required.") from None
    if not math.isfinite(hours):
        raise InvalidField("expiry_hours", "A valid number is required.")
    if not 0 < hours <= MAX_EXPIRY_HOURS:
        raise InvalidField("expiry_hours", f"Ensure this value is above 0 and at most {MAX_EXPIRY_HOURS}.")
    return 3600 * hours


def _choice(values: Mapping[str, Any], field: str, *choices: str) -> str:
    value = _text(values, field, 64)
    if value not in choices:
        raise InvalidField(field, f'"{value}" is not a valid choice.')
    return value


def _own_id(values: Mapping[str, Any]) -> Reference:
    """The id of the resource itself, which is `_id` in requests and `$_id` in responses."""
    return _reference(values, "$_id" if values.get("_id") is None and "$_id" in values else "_id")


def _reference(values: Mapping[str, Any], field: str) -> Reference:
    """The id in `field`, which is bare or `{"$oid": …}`."""
    value = _given(values, field)
    if isinstance(value, Mapping):
        value = value.get("$oid")
    if not isinstance(value, str):
        raise InvalidField(field, f"Incorrect type. Expected pk value, received {_name_of_type(value)}.")
    object_id = parse_object_id(value)
    if object_id is None:
        raise unknown_id(field, value)
    return Reference(object_id, field)


def unknown_id(field: str, object_id: str) -> InvalidField:
    """The error for an id that does not exist, is another client's, or is no id: all look the same."""
    return InvalidField(field, f'Invalid pk "{object_id[:64]}" - object does not exist.')


def _text(values: Mapping[str, Any], field: str, most_characters: int | None = None) -> str:
    """Text that is not blank, kept as it was posted. A number becomes its text."""
    value = _given(values, field)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise InvalidField(field, "Not a valid string.")
    if not value.strip():
        raise InvalidField(field, "This field may not be blank.")
    if most_characters is not None and len(value) > most_characters:
        raise InvalidField(field, f"Ensure this field has no more than {most_characters} characters.")
    if "\0" in value:  # PostgreSQL's text can't hold it
        raise InvalidField(field, "Null characters are not allowed.")
    try:
        value.encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair, which JSON can spell and UTF-8 can't
        raise InvalidField(field, f"Surrogate characters are not allowed: U+{ord(value[error.start]):X}.") from None
    return value


def _given(values: Mapping[str, Any], field: str) -> Any:
    if field not in values:
        raise InvalidField(field, "This field is required.")
    if values[field] is None:
        raise InvalidField(field, "This field may not be null.")
    return values[field]


def _not_an_object(value: object) -> str:
    return f"Invalid data. Expected a dictionary, but got {_name_of_type(value)}."


def _name_of_type(value: object) -> str:
    return "null" if value is None else type(value).__name__
