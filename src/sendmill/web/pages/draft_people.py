"""Making a campaign: the people who get it. A group, or a file, which is read while the user looks at its columns."""

from collections.abc import Iterator
from typing import BinaryIO, cast

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse

from sendmill.accounts.resources import find
from sendmill.campaigns.drafts import begin_draft, choose_columns, preview_of, sections, use_file, use_group
from sendmill.campaigns.models import CampaignDraft
from sendmill.contacts.column_choice import Columns
from sendmill.contacts.import_log import rejected_pages
from sendmill.contacts.models import ContactGroup, Import, ImportState, RejectedRow
from sendmill.csv_lines import MARK, csv_lines
from sendmill.errors import Conflict, InvalidField, InvalidFields, NotFound
from sendmill.web.draft_steps import next_step, step_context, steps_of
from sendmill.web.paging import window
from sendmill.web.requests import PageRequest, is_partial

SHOWN_GROUPS = 8
SHOWN_REJECTED = 10
_REJECTED_HEADINGS = ("line", "column", "value", "reason")


def people(request: PageRequest) -> HttpResponse:
    """A group (`use`) or a file (`csv_file`); a group is found by `q`."""
    draft = begin_draft(request.client, request.user)
    error = ""
    if request.method == "POST":
        if "use" in request.POST:
            use_group(draft, find(ContactGroup, request.client, request.POST["use"]).object_id)
            return redirect(next_step(steps_of(draft)).url)
        upload = request.FILES.get("csv_file")
        file = None if upload is None else cast(BinaryIO, upload.file)
        try:
            use_file(draft, file, "" if upload is None else upload.name or "")
        except (InvalidField, InvalidFields) as refused:
            errors = refused.errors if isinstance(refused, InvalidFields) else (refused,)
            error = " ".join(one.reason for one in errors)
        else:
            return _to(request, reverse("web:draft-people"))
        if is_partial(request):
            return render(request, "web/campaigns/_upload.html", {"error": error, "draft": draft})
    wanted = request.GET.get("q", "").strip()
    rows = ContactGroup.objects.filter(client=request.client)
    shown = window(request, rows.filter(tag__icontains=wanted) if wanted else rows, SHOWN_GROUPS)
    context = {
        **step_context(draft, "people"),
        **_file_context(draft),
        "window": shown,
        "wanted": wanted,
        "chosen_id": sections(draft).get("contact_group", {}).get("_id", ""),
        "error": error,
    }
    return render(request, f"web/campaigns/{'_groups' if is_partial(request) else 'draft_people'}.html", context)


def columns(request: PageRequest) -> HttpResponse:
    """Correct which columns of the file have the addresses and the names."""
    draft = begin_draft(request.client, request.user)
    chosen = [_index(request.POST.get(name, "")) for name in ("email_index", "name_index")]
    if chosen[0] is None:
        raise Conflict("Choose the column with the addresses.")
    try:
        choose_columns(draft, Columns(chosen[0], chosen[1]))
    except InvalidField as error:
        raise Conflict(error.reason) from None
    return redirect("web:draft-people")


def reading(request: PageRequest) -> HttpResponse:
    """How far the file has been read, and what was found; a part of the page."""
    draft = begin_draft(request.client, request.user)
    return render(request, "web/campaigns/_reading.html", {**_file_context(draft), "steps": steps_of(draft)})


def rejected(request: PageRequest) -> HttpResponseBase:
    """The rows that were left out, as CSV."""
    draft = begin_draft(request.client, request.user)
    if draft.staged_import is None:
        raise NotFound("There is no file.")
    answer = StreamingHttpResponse(_rejected_csv(draft.staged_import), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="rejected-rows.csv"'
    return answer


def _rejected_csv(record: Import) -> Iterator[bytes]:
    yield MARK + csv_lines([_REJECTED_HEADINGS])
    for page in rejected_pages(record):
        yield csv_lines([[row.line, row.column, row.value, row.reason] for row in page])


def _file_context(draft: CampaignDraft) -> dict[str, object]:
    record, preview = draft.staged_import, preview_of(draft)
    if record is None or preview is None:
        return {"file": None}
    is_done = record.state == ImportState.STAGED
    shown = min(preview.width, max([len(preview.headings), *map(len, preview.rows)], default=0))
    return {
        "file": record,
        "preview": preview,
        "headings": [
            (index, preview.headings[index] if index < len(preview.headings) else f"Column {index + 1}")
            for index in range(shown)
        ],
        "is_reading": record.state in (ImportState.WAITING, ImportState.RECEIVING),
        "is_done": is_done,
        "contacts": record.accepted_rows - record.duplicate_rows,
        "read": min(record.read_bytes, record.file_bytes or 0),
        "rejected": RejectedRow.objects.filter(of_import=record).order_by("pk")[:SHOWN_REJECTED] if is_done else [],
    }


def _to(request: PageRequest, url: str) -> HttpResponse:
    """To another page, also when htmx has sent the form."""
    return HttpResponse(headers={"HX-Redirect": url}) if is_partial(request) else redirect(url)


def _index(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else None
