"""The beginning of a file, sent before the file itself: enough to see its columns, and what will be wrong. Pure."""

import codecs
import io
from typing import NamedTuple

from sendmill.contacts.column_choice import Columns
from sendmill.contacts.csv_preview import FilePreview, preview_file
from sendmill.contacts.csv_reader import RejectedRow, open_contacts

SAMPLE_BYTES = 64 * 1024
SHOWN_REJECTED = 5


class SampledFile(NamedTuple):
    """`rejected` are the first rows that will be skipped; `rows` and `bad_rows` count those of the sample."""

    preview: FilePreview
    columns: Columns
    rejected: list[RejectedRow]
    rows: int
    bad_rows: int


def read_sample(sample: bytes, chosen: Columns) -> SampledFile:
    """What the first SAMPLE_BYTES of a file show, or all of it. Columns that aren't chosen are found.

    Raises InvalidField for `csv_file`, `email_index` or `name_index`.
    """
    file = io.BytesIO(whole_lines(sample))
    preview = preview_file(file)
    columns = preview.columns if chosen.email_index is None else chosen
    first = next(open_contacts(file, **columns._asdict()).batches())
    counts = len(first.contacts), len(first.rejected)
    return SampledFile(preview, columns, first.rejected[:SHOWN_REJECTED], *counts)


def whole_lines(sample: bytes) -> bytes:
    """Without the last line, of which a part may be missing: half of a character would be no UTF-8."""
    if len(sample) < SAMPLE_BYTES:
        return sample
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = sample[: len(sample) // 2 * 2].decode("utf-16", "ignore")
        return text[: text.rfind("\n") + 1 or None].encode("utf-16")
    end = sample.rfind(b"\n") + 1 or sample.rfind(b"\r") + 1
    return sample[:end] if end else sample
