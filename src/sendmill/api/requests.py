"""What requests may hold: ids, fields and the keys of lists, with REST framework's words for what is wrong."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.http import QueryDict
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from sendmill.accounts.models import Client, ClientResource
from sendmill.accounts.resources import find
from sendmill.api.exceptions import REQUIRED
from sendmill.errors import InvalidField, NotFound

ID_NAMES = ("_id", "$_id")


@extend_schema_field({"type": "string", "pattern": r"\S"})
class Text(serializers.CharField):
    """Text that is kept as it was posted, but not blank. A number becomes its text."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if isinstance(data, str) and not data.strip():
            self.fail("blank")
        return super().run_validation(data)


@extend_schema_field({"type": "string", "format": "email"})
class Address(Text):
    """Text that is checked to be an email address by what it is given to."""


class _LimitQuery(serializers.Serializer[Any]):
    limit = serializers.IntegerField(min_value=1, max_value=10**9, required=False)


class Window(NamedTuple):
    """The opt-in part of a list: at most `limit` rows behind the one with primary key `after`."""

    after: int
    limit: int | None


def requested_id(request: Request) -> str | None:
    """The id in the query, as it was given; None if it is missing or empty."""
    given = (request.query_params.get(name) for name in ID_NAMES)
    return next((text for text in given if text), None)


def required_id(request: Request) -> str:
    """The id in the query. Raises ValidationError."""
    object_id = requested_id(request)
    if object_id is None:
        raise serializers.ValidationError({"_id": [REQUIRED]})
    return object_id


def posted(request: Request) -> dict[str, Any]:
    """The posted object, whether it came as JSON or as a form; files are not in it. Raises ValidationError."""
    data = request.data
    if isinstance(data, QueryDict):
        return {name: data[name] for name in data if name not in request.FILES}
    if not isinstance(data, Mapping):
        reason = f"Invalid data. Expected a dictionary, but got {type(data).__name__}."
        raise serializers.ValidationError({"non_field_errors": [reason]})
    return dict(data)


def checked(body: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The known fields of what was posted. Raises ValidationError."""
    fields = body(data=posted(request))
    fields.is_valid(raise_exception=True)
    return dict(fields.validated_data)


def checked_changes(body: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The known fields that were posted, of which there must be one at least. Raises ValidationError."""
    fields = body(data=posted(request), partial=True)
    fields.is_valid(raise_exception=True)
    if not fields.validated_data:
        names = ", ".join(fields.fields)
        raise serializers.ValidationError({"non_field_errors": [f"At least one of these fields is required: {names}."]})
    return dict(fields.validated_data)


def window(request: Request, model: type[ClientResource], client: Client) -> Window:
    """The `limit` and `after` of a list of `model`. Raises ValidationError and InvalidField."""
    after = request.query_params.get("after")
    return Window(_primary_key(model, client, after) if after else 0, requested_limit(request))


def requested_limit(request: Request) -> int | None:
    """The `limit` of a list, None without one. Raises ValidationError."""
    given = {name: text for name, text in request.query_params.items() if name == "limit" and text}
    fields = _LimitQuery(data=given)
    fields.is_valid(raise_exception=True)
    limit: int | None = fields.validated_data.get("limit")
    return limit


def _primary_key(model: type[ClientResource], client: Client, object_id: str) -> int:
    try:
        primary_key: int = find(model, client, object_id).pk
    except NotFound:
        raise InvalidField("after", "There is no row with this id.") from None
    return primary_key
