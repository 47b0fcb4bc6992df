"""Uploads of lists: what a file looks like before it is sent, the job that reads it, and how far that is."""

from typing import NamedTuple

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse

from sendmill.contacts import import_log
from sendmill.contacts.column_choice import Columns, choose_columns
from sendmill.contacts.csv_columns import MAX_COLUMNS
from sendmill.contacts.csv_preview import MOST_COLUMNS
from sendmill.contacts.file_sample import SAMPLE_BYTES, SampledFile, read_sample
from sendmill.contacts.import_jobs import add_job
from sendmill.contacts.models import ACTIONS, OF_OPTOUTS, ContactGroup, Import, ImportKind, ImportState
from sendmill.errors import Conflict, InvalidField
from sendmill.web.downloads import download
from sendmill.web.forms import add_errors
from sendmill.web.requests import PageRequest, is_partial, record

SHOWN_REJECTED = 20


class ColumnsForm(forms.Form):
    """Which columns count, from 0; what isn't chosen is found."""

    email_index = forms.IntegerField(min_value=0, max_value=MAX_COLUMNS, required=False)
    name_index = forms.IntegerField(min_value=0, max_value=MAX_COLUMNS, required=False)

    def columns(self) -> Columns:
        """The choice."""
        return Columns(self.cleaned_data.get("email_index"), self.cleaned_data.get("name_index"))


class FileForm(ColumnsForm):
    """What every upload has. A subclass has `action`, a kind of import."""

    csv_file = forms.FileField(
        label="File",
        help_text="CSV, with a line of headings or without, up to 1 GB. From a spreadsheet: “Save as CSV (UTF-8)”.",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.txt,.tsv,text/csv,text/plain"}),
    )
    dry_run = forms.BooleanField(label="Only check the file: count and report, change nothing", required=False)


def sample(request: PageRequest) -> HttpResponse:
    """A part of the page: the beginning of a file that is about to be uploaded, with the choice of columns."""
    form = ColumnsForm(request.POST)
    content = request.FILES.get("sample")
    context: dict[str, object] = {"asks_names": request.POST.get("asks_names") == "1"}
    if content is None or not form.is_valid():
        context["problem"] = "The beginning of the file did not arrive. Choose it again."
    else:
        try:
            sampled = read_sample(content.read(SAMPLE_BYTES), form.columns())
            context |= {"sampled": sampled, "columns": _choices(sampled), "total": sampled.rows + sampled.bad_rows}
        except InvalidField as error:
            context["problem"] = error.reason
    return render(request, "web/uploads/_sample.html", context)


def start_job(request: PageRequest, form: FileForm, group: ContactGroup | None) -> Import | None:
    """Store what was uploaded, to be read as a job; None if something is wrong, which the form then tells."""
    if not form.is_valid():
        return None
    kind = ImportKind(form.cleaned_data["action"])
    file = form.cleaned_data["csv_file"].file
    try:
        columns = form.columns()
        if columns.email_index is None:
            columns = choose_columns(file)
        if kind not in (ImportKind.REPLACE, ImportKind.UPDATE):
            columns = columns._replace(name_index=None)
        job = add_job(request.client, kind, group, file, columns, dry_run=form.cleaned_data["dry_run"])
    except InvalidField as error:
        add_errors(form, error)
        return None
    except Conflict as error:
        form.add_error(None, str(error))
        return None
    if not job.dry_run:
        record(request, ACTIONS[kind], group.tag if group else "")
    return job


def to_import(request: PageRequest, job: Import) -> HttpResponse:
    """Off to the page that shows how far the job is."""
    url = reverse("web:import", kwargs={"import_id": job.object_id})
    if is_partial(request):
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    messages.success(request, "The file has arrived.")
    return redirect(url)


def show(request: PageRequest, import_id: str) -> HttpResponse:
    """How far an import is; at its end what it came to, with the rows that it rejected."""
    job = import_log.find_import(request.client, import_id)
    is_over = job.state in (ImportState.DONE, ImportState.FAILED)
    rejected = next(import_log.rejected_pages(job), [])[:SHOWN_REJECTED] if is_over else []
    context = {
        "job": job,
        "is_over": is_over,
        "is_of_optouts": job.kind in OF_OPTOUTS,
        "percent": _percent(job),
        "changed_rows": job.accepted_rows - job.duplicate_rows,
        "rejected": rejected,
        "more_rejected": job.rejected_rows - len(rejected),
    }
    return render(request, f"web/uploads/{'_progress' if is_partial(request) else 'show'}.html", context)


def rejected(request: PageRequest, import_id: str) -> HttpResponseBase:
    """All rejected rows as a file."""
    job = import_log.find_import(request.client, import_id)
    return download(import_log.rejected_csv(job), f"rejected-{job.object_id}.csv")


class _Choice(NamedTuple):
    number: int
    label: str


def _choices(sampled: SampledFile) -> list[_Choice]:
    """The columns to choose from: those that are shown, and the chosen ones wherever they are."""
    headings = sampled.preview.headings
    shown = range(min(sampled.preview.width, MOST_COLUMNS))
    numbers = {*shown, *(number for number in sampled.columns if number is not None)}
    labels = {number: heading for number, heading in enumerate(headings) if heading}
    return [_Choice(number, labels.get(number, f"Column {number + 1}")) for number in sorted(numbers)]


def _percent(job: Import) -> int | None:
    """How much of the file has been read; None when that can't be said."""
    if job.state == ImportState.WAITING:
        return 0
    if job.state != ImportState.RECEIVING or not job.file_bytes or not job.read_bytes:
        return None
    return min(100, job.read_bytes * 100 // job.file_bytes)
