"""The pieces of the OpenAPI description that can't be read off the code: what is answered, and the double life of GET.

What may be posted is read off the serializers by drf-spectacular. `documentation` puts it together and serves it.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.serializers import Serializer

View = TypeVar("View", bound=type)
Schema = dict[str, Any]

_HEX_ID = {"type": "string", "pattern": "^[0-9a-f]{24}$"}
_TIME = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}000$"}
_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _exact(optional: dict[str, Schema] | None = None, /, **properties: Schema) -> Schema:
    """An object with exactly these keys, and perhaps the optional ones. Python's names can't begin with `$`."""
    named = {"$_id" if name == "own_id" else name: schema for name, schema in properties.items()}
    return {
        "type": "object",
        "properties": named | (optional or {}),
        "required": list(named),
        "additionalProperties": False,
    }


_ID = reference("ObjectId")
_TIMES = {"created_on": _TIME, "modified_on": _TIME}
_REJECTED_ROW = _exact(line=_COUNT, column_index=_COUNT, column=_TEXT, value=_TEXT, reason=_TEXT)
_IMPORT = {
    "own_id": _ID,
    "client_id": _ID,
    "contact_group_id": {"oneOf": [_ID, {"type": "null"}]},
    "kind": {"type": "string", "enum": ["replace", "update", "delete", "optout_add", "optout_delete"]},
    "status": {"type": "string", "enum": ["waiting", "receiving", "applying", "done", "failed"]},
    "error": _TEXT,
    "accepted_rows": _COUNT,
    "duplicate_rows": _COUNT,
    "rejected_rows": _COUNT,
}
_JOB = _exact(
    dry_run={"type": "boolean", "description": "It only counts."},
    file_bytes={"oneOf": [_COUNT, {"type": "null"}], "description": "The size of its file; null on the command line."},
    read_bytes={**_COUNT, "description": "How much of its file has been read."},
)

_DISPOSITIONS = [
    "queued", "deferred", "unconfirmed", "delivered", "bounced", "failed", "optout", "cancelled", "invalid",
]  # fmt: skip
_ATTEMPT = _exact(
    disposition={"type": "string", "enum": _DISPOSITIONS},
    recorded_on=_TIME,
    reply_code={"type": ["integer", "null"], "description": "Null where no reply decided it."},
    reply={**_TEXT, "description": "The mail server's own words, or what happened instead."},
    relay=_TEXT,
)
_STATUS = {"type": "string", "enum": ["active", "paused", "cancelled", "completed"]}
_TIME_OR_NULL = {"oneOf": [_TIME, {"type": "null"}]}
_RELAY = _exact(
    name=_TEXT,
    state={
        "type": "string",
        "enum": ["up", "impaired", "down"],
        "description": "`impaired`: some worker processes can't use it. Mail goes to the others meanwhile.",
    },
    retry_seconds={"type": ["number", "null"], "description": "When it is tried again, while it isn't up."},
    last_error={"type": ["string", "null"], "description": "It stays after recovery."},
    open_connections=_COUNT,
    in_hand={**_COUNT, "description": "Messages handed to it that it hasn't answered."},
)
_PROGRESS = {
    "campaign_id": _ID,
    "status": _STATUS,
    "recipients": {**_COUNT, "description": "All of them; 0 before the start."},
    "complete": {**_COUNT, "description": "Those with a final disposition."},
    "dispositions": _exact(**dict.fromkeys(_DISPOSITIONS, _COUNT)),
    "rate": {"type": "number", "minimum": 0, "description": "Messages a second, over the last seconds."},
    "expected_end": {**_TIME_OR_NULL, "description": "When the queued ones will have been tried at that rate."},
    "next_retry": {**_TIME_OR_NULL, "description": "When the next deferred recipient is tried again."},
    "relays": {"type": "array", "items": _RELAY},
}

COMPONENTS: dict[str, Schema] = {
    "ObjectId": {
        "type": "object",
        "properties": {"$oid": _HEX_ID},
        "required": ["$oid"],
        "additionalProperties": False,
        "example": {"$oid": "57bb010e2cd5264797b017e5"},
    },
    "Sender": _exact(own_id=_ID, client_id=_ID, description=_TEXT, email=_TEXT, **_TIMES),
    "OptOut": _exact(own_id=_ID, client_id=_ID, email=_TEXT, **_TIMES),
    "ContactGroup": _exact(
        own_id=_ID,
        client_id=_ID,
        tag=_TEXT,
        contacts={"type": "array", "items": _exact(name=_TEXT, email=_TEXT)},
        **_TIMES,
    ),
    "Message": _exact(own_id=_ID, client_id=_ID, description=_TEXT, email_message=_TEXT, **_TIMES),
    "Campaign": _exact(
        own_id=_ID,
        client_id=_ID,
        contact_group_id=_ID,
        sender_id=_ID,
        message_id=_ID,
        name=_TEXT,
        start_date={**_TIME, "description": "The wall clock in the campaign's `timezone`, as it was posted."},
        timezone=_TEXT,
        **_TIMES,
        status=_STATUS,
    ),
    "Result": _exact(
        own_id=_ID,
        client_id=_ID,
        queue_id=_ID,
        campaign_id=_ID,
        contact={"type": "object", "additionalProperties": _TEXT, "required": ["name", "email"]},
        campaign_name=_TEXT,
        disposition={"type": "string", "enum": _DISPOSITIONS},
        start_date=_TIME,
        modified_on=_TIME,
        email_to=_TEXT,
        email_from_id=_TEXT,
        complete={"type": "boolean"},
        status={"type": "string", "enum": ["pending", "completed"]},
    ),
    "ResultHistory": _exact(result_id=_ID, history={"type": "array", "items": _ATTEMPT}),
    "Progress": _exact(**_PROGRESS),
    "Retry": _exact(campaign_id=_ID, recipients={**_COUNT, "description": "How many failed ones are sent to again."}),
    "ImportSummary": _exact({"job": _JOB}, **_IMPORT, **_TIMES),
    "Import": _exact({"job": _JOB}, **_IMPORT, rejected={"type": "array", "items": _REJECTED_ROW}, **_TIMES),
    "Erasure": _exact(
        own_id=_ID,
        client_id=_ID,
        status={"type": "string", "enum": ["erasing", "done"]},
        contacts={**_COUNT, "description": "Groups that the person was taken out of."},
        results={**_COUNT, "description": "Results that name nobody any more."},
        rejected_rows=_COUNT,
        created_on=_TIME,
        finished_on=_TIME_OR_NULL,
    ),
    "Token": _exact(token={"type": "string", "pattern": "^[0-9a-f]{40}$"}, client_id=_HEX_ID),
    "Detail": {"type": "object", "properties": {"detail": _TEXT}, "required": ["detail"]},
    "BadRequest": {
        "type": "object",
        "description": "By field what is wrong with it, at any depth; `non_field_errors` for the whole; `detail` for "
        "what can't be read at all.",
        "minProperties": 1,
        "example": {"email": ["This field is required."]},
    },
}  # fmt: skip

_ERRORS = {
    400: ("BadRequest", "Something that was sent is missing or wrong."),
    401: ("Detail", "No token, or a wrong one."),
    403: ("Detail", "The token's user may only read."),
    404: ("Detail", "Unknown, malformed, or another client's id: the three look the same."),
    409: (
        "Detail",
        "It is in use (the text names the campaign), or its state doesn't allow this.",
    ),
    411: ("Detail", "A form without a Content-Length."),
    413: ("Detail", "Larger than SENDMILL_MAX_UPLOAD, or more than 16 MiB beside files."),
    415: ("Detail", "A Content-Type that is not taken here."),
    429: ("Detail", "Too many failed logins; Retry-After says when to try again."),
    503: ("Detail", "The database is busy or can't be reached; Retry-After says when to try again."),
    507: ("Detail", "No room on the disk for the upload."),
}
READ = (401, 404, 503)
WRITE = (400, 401, 403, 411, 413, 415, 503)

ID = OpenApiParameter(
    "_id", str, description="The unique ID representing this resource. `$_id` is taken as well.", required=True
)
OPTIONAL_ID = OpenApiParameter("_id", str, description="One resource instead of the list. Empty: the list.")
GROUP_ID = OpenApiParameter("_id", str, description="The contact group, unless it is given by `tag`.")
LIMIT = OpenApiParameter(
    "limit", {"type": "integer", "minimum": 1, "maximum": 10**9}, description="An addition: how many at most."
)
AFTER = OpenApiParameter("after", str, description="An addition: the id of the row to begin behind.")
IMPORT_HEADER = OpenApiParameter(
    "Sendmill-Import", _HEX_ID, OpenApiParameter.HEADER, response=[200, 201],
    description="An addition: the id under which `/email/import/` tells what became of the rows.",
)  # fmt: skip


def answers(success: dict[int, Schema | None], errors: tuple[int, ...]) -> dict[int, OpenApiResponse]:
    """What an operation may answer: schemas by status (None for no body), and the errors."""
    described = {status: OpenApiResponse(schema, "Success.") for status, schema in success.items()}
    return described | {
        status: OpenApiResponse(reference(_ERRORS[status][0]), _ERRORS[status][1]) for status in sorted(set(errors))
    }


def list_or_one(listed: str, single: str) -> Schema:
    """GET answers with a bare array or, with `_id`, with one object."""
    return {"oneOf": [{"type": "array", "items": reference(listed)}, reference(single)]}


def describe_resource(
    name: str, title: str, body: type[Serializer[Any]], *, needed: bool = False, put_shows: bool = False
) -> Callable[[View], View]:
    """Describes the four methods of a resource. `needed`: a campaign can need it, `put_shows`: PUT answers with it."""
    whole = reference(name)
    decorate: Callable[[View], View] = extend_schema_view(
        get=extend_schema(
            operation_id=f"get{name}", summary=f"List {title}s, or get one", tags=[title],
            parameters=[OPTIONAL_ID, LIMIT, AFTER],
            responses=answers({200: list_or_one(name, name)}, (400, *READ)),
        ),
        post=extend_schema(
            operation_id=f"add{name}", summary=f"Add {title}", tags=[title],
            request=body, responses=answers({201: whole}, WRITE),
        ),
        put=extend_schema(
            operation_id=f"update{name}", summary=f"Update {title}", tags=[title], parameters=[ID],
            request=body(partial=True), responses=answers({200: whole} if put_shows else {204: None}, (*WRITE, 404)),
        ),
        delete=extend_schema(
            operation_id=f"delete{name}", summary=f"Delete {title}", tags=[title], parameters=[ID],
            responses=answers({204: None}, (400, 401, 403, 404, 503) + ((409,) if needed else ())),
        ),
    )  # fmt: skip
    return decorate


_FILE = {"type": "string", "format": "binary"}

CAMPAIGN_FORM: Schema = {
    "type": "object",
    "properties": {
        "attributes": {
            "type": "string",
            "description": "JSON: `message` with `source` (`new`: `description`, `email_message`; `reuse`: `_id`; "
            "`upload`: `description` and the part `message_file`), `contact_group` with `type` (`upload`: "
            "`name_index`, `email_index` and the part `csv_file`; `reuse`: `_id`), and `schedule` with `name`, "
            "`start_date` (`yyyy-MM-dd HH:mm`), `timezone`, `sender_id` and, an addition, `expiry_hours` (for how long "
            "deferred recipients are tried again, up to 720; without it SENDMILL_EXPIRY_SECONDS).",
            "example": '{"message": {"source": "new", "description": "My Email Message", "email_message": "This is a '
            'test message."}, "contact_group": {"type": "upload", "name_index": 1, "email_index": 0}, "schedule": '
            '{"name": "My Campaign", "start_date": "2016-09-08 09:00", "timezone": "EST5EDT", "sender_id": {"$oid": '
            '"57bba6fac75dae266c4aee1f"}}}',
        },
        "csv_file": {**_FILE, "description": "The contacts, with `contact_group.type` `upload`."},
        "message_file": {**_FILE, "description": "The message, HTML or text, with `message.source` `upload`."},
    },
    "required": ["attributes"],
}


_HEADING: Schema = {**_TEXT, "minLength": 1, "pattern": r"\S"}
_INDEX: Schema = {"type": "integer", "minimum": 0}

IMPORT_FORM: Schema = {
    "type": "object",
    "properties": {
        "action": {"type": "string", "enum": ["replace", "update", "delete"]},
        "tag": {**_HEADING, "description": "The group's tag. Without such a group one is made, unless it's a dry run."},
        "email_index": {**_INDEX, "description": "The address's column, from 0."},
        "email_column": {**_HEADING, "description": "Or its heading. With neither, the column is found."},
        "name_index": {**_INDEX, "description": "The name's column, from 0."},
        "name_column": {**_HEADING, "description": "Or its heading. With neither, the one headed `name`, if any."},
        "dry_run": {"type": "boolean", "default": False, "description": "Count and report, and change nothing."},
        "csv_file": {**_FILE, "description": "The CSV file that needs to be processed."},
    },
    "required": ["action", "csv_file"],
}


def csv_form(*required_indexes: str, optional_indexes: tuple[str, ...] = ()) -> Schema:
    """The form of a bulk call: a CSV file, and the indexes of its columns."""
    index = {"type": "integer", "minimum": 0, "description": "The index of the column, from 0."}
    indexes = dict.fromkeys((*required_indexes, *optional_indexes), index)
    return {
        "type": "object",
        "properties": {**indexes, "csv_file": {**_FILE, "description": "The CSV file that needs to be processed."}},
        "required": [*required_indexes, "csv_file"],
    }
