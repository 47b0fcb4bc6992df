"""Campaigns in the making: what somebody has chosen so far, kept so that nothing has to be entered or uploaded twice.

    begin → a section for each step, in any order → create, or discard

A section is kept as the API takes it, so creating a draft is what posting its attributes would be: `creation` checks it
all once more.
"""

from datetime import datetime, timedelta
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import orjson
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from sendmill.accounts.models import Client, User
from sendmill.campaigns.creation import create_campaign
from sendmill.campaigns.models import Campaign, CampaignDraft
from sendmill.contacts import import_jobs, staging
from sendmill.contacts.column_choice import Columns
from sendmill.contacts.csv_preview import FilePreview, preview_file
from sendmill.contacts.models import Import, ImportKind
from sendmill.errors import Conflict, InvalidField

KEPT = timedelta(days=30)
"""A draft that nobody has touched for so long is forgotten, with its list."""

_AT_ONCE = 20
_STARTED = "This campaign is being started already."


def find_draft(client: Client, user: User) -> CampaignDraft | None:
    """The user's draft for this client."""
    drafts = CampaignDraft.objects.select_related("staged_import")
    return drafts.filter(client=client, user=user).first()


def begin_draft(client: Client, user: User) -> CampaignDraft:
    """The user's draft for this client, a new one if there is none."""
    draft, _ = CampaignDraft.objects.select_related("staged_import").get_or_create(
        client=client, user=user, defaults={"modified_on": timezone.now()}
    )
    return draft


def sections(draft: CampaignDraft) -> dict[str, dict[str, Any]]:
    """What has been chosen so far: `message`, `contact_group`, `schedule`."""
    found: dict[str, dict[str, Any]] = orjson.loads(draft.attributes)
    return found


def set_section(draft: CampaignDraft, name: str, values: dict[str, Any]) -> None:
    """Keep a step's choice."""
    draft.attributes = orjson.dumps({**sections(draft), name: values}).decode()
    draft.modified_on = timezone.now()
    draft.save(update_fields=["attributes", "modified_on"])


def use_group(draft: CampaignDraft, object_id: str) -> None:
    """Send to an existing group; a list that was uploaded is dropped."""
    _drop_list(draft)
    set_section(draft, "contact_group", {"type": "reuse", "_id": object_id})


def use_file(draft: CampaignDraft, file: BinaryIO | None, name: str) -> None:
    """Send to the people in a file, which begins to be read. Raises InvalidField("csv_file")."""
    preview = preview_file(file)
    record = import_jobs.add_job(draft.client, ImportKind.STAGE, None, file, preview.columns)
    _drop_list(draft)
    draft.staged_import = record
    draft.file_name = name[:255]
    draft.preview = orjson.dumps({**preview._asdict(), "columns": list(preview.columns)}).decode()
    draft.save(update_fields=["staged_import", "file_name", "preview"])
    _set_columns(draft, preview.columns)


def preview_of(draft: CampaignDraft) -> FilePreview | None:
    """How the uploaded file begins; None without one."""
    if draft.staged_import is None:
        return None
    kept = orjson.loads(draft.preview)
    return FilePreview(kept["headings"], kept["rows"], Columns(*kept["columns"]), kept["width"])


def choose_columns(draft: CampaignDraft, columns: Columns) -> None:
    """Have the uploaded file read with these columns. Raises InvalidField, and Conflict if there is no file."""
    preview = preview_of(draft)
    if preview is None or draft.staged_import is None:
        raise Conflict("There is no file. Please upload it again.")
    for field, index in columns._asdict().items():
        if index is not None and index >= preview.width:
            raise InvalidField(field, "The file has no such column.")
    if columns != (draft.staged_import.email_index, draft.staged_import.name_index):
        import_jobs.read_anew(draft.staged_import, columns)
        _set_columns(draft, columns)


def _set_columns(draft: CampaignDraft, columns: Columns) -> None:
    # The API asks for a column of names; without one it is the addresses', which greets people by their address.
    name_index = columns.email_index if columns.name_index is None else columns.name_index
    chosen = {"type": "upload", "email_index": columns.email_index, "name_index": name_index}
    set_section(draft, "contact_group", chosen)


def forget_rows(client: Client) -> None:
    """Keep nothing of people that is shown of the client's uploaded files: somebody in them is erased."""
    for draft in CampaignDraft.objects.filter(client=client, staged_import__isnull=False):
        draft.preview = orjson.dumps({**orjson.loads(draft.preview), "rows": []}).decode()
        draft.save(update_fields=["preview"])


def create_from(draft: CampaignDraft, *, now: datetime | None = None) -> Campaign:
    """The campaign; the draft ends with it. With `now` it starts at once, else as scheduled.

    Raises InvalidFields and Conflict as `create_campaign` does; then the draft stays. Conflict too for whoever comes
    second with the same draft. The campaign is made and the draft ended in one transaction: neither a crash nor a
    second click leaves a draft of a campaign that is there.
    """
    mine = CampaignDraft.objects.filter(pk=draft.pk, modified_on=draft.modified_on)
    attributes: dict[str, Any] = sections(draft)
    if now is not None and "schedule" in attributes:
        here = now.astimezone(ZoneInfo(attributes["schedule"]["timezone"]))
        attributes["schedule"] = {**attributes["schedule"], "start_date": f"{here:%Y-%m-%d %H:%M}"}
    with transaction.atomic():
        if not mine.exists():
            raise Conflict(_STARTED)
        created = create_campaign(draft.client, attributes, None, None, staged=draft.staged_import)
        if not mine.delete()[0]:  # somebody else's transaction was first
            raise Conflict(_STARTED)
    return created.campaign


def discard_draft(draft: CampaignDraft) -> None:
    """Forget it, and the list that was uploaded for it. Not to be called in a transaction: a list may be long."""
    _drop_list(draft)
    draft.delete()


def _drop_list(draft: CampaignDraft) -> None:
    if draft.staged_import is not None:
        staging.discard(draft.staged_import)
    draft.staged_import = None
    CampaignDraft.objects.filter(pk=draft.pk).update(staged_import=None)  # it may have been discarded just now


def has_old_drafts() -> bool:
    """Whether there are drafts that nobody has touched for `KEPT`, or lists whose draft went with its user."""
    return _old_drafts().exists() or _old_lists().exists()


def discard_old_drafts() -> bool:
    """Forget some of them; whether there may be more."""
    drafts = list(_old_drafts()[:_AT_ONCE])
    for draft in drafts:
        discard_draft(draft)
    lists = list(_old_lists()[:_AT_ONCE])
    for record in lists:
        staging.discard(record)
    return _AT_ONCE in (len(drafts), len(lists))


def _old_drafts() -> QuerySet[CampaignDraft]:
    return CampaignDraft.objects.select_related("staged_import").filter(modified_on__lt=timezone.now() - KEPT)


def _old_lists() -> QuerySet[Import]:
    of_drafts = CampaignDraft.objects.filter(staged_import__isnull=False).values("staged_import")
    old = Import.objects.filter(kind=ImportKind.STAGE, heartbeat_on__lt=timezone.now() - KEPT)
    return old.exclude(pk__in=of_drafts)
