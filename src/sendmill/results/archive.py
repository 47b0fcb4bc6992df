"""Results of one campaign in a file: JSON lines, gzip. Each line is what the API tells, and the mail server's words.

`history` is only there if the first attempt did not end it.
"""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import orjson
from django.db import connection

from sendmill.campaigns.models import Campaign
from sendmill.delivery.chunk_counts import id_range
from sendmill.delivery.models import Chunk
from sendmill.delivery.states import State
from sendmill.results.history import Word, history, kept_words, word_json
from sendmill.results.rows import Heading, results_json

_ROWS = """
SELECT id, email, name, fields, state, start_ms, modified_ms, attempts, reply_code, reply, relay
FROM delivery_delivery WHERE id BETWEEN %s AND %s ORDER BY id
"""


def archive_path(folder: Path, campaign: Campaign) -> Path:
    """Where a campaign's results go: a folder a year, a file a campaign."""
    return folder / f"{campaign.starts_at:%Y}" / f"{campaign.object_id}.jsonl.gz"


def write_archive(folder: Path, campaign: Campaign) -> Path:
    """Write all results of the campaign, a chunk at a time; the file, which is on the disk when this returns."""
    path = archive_path(folder, campaign)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.incomplete")
    draft.touch(mode=0o600)
    with draft.open("wb") as file:
        with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0) as compressed:
            for lines in _lines(campaign):
                compressed.write(lines)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    return path


def _lines(campaign: Campaign) -> Iterator[bytes]:
    heading = Heading(campaign.client.object_id, campaign.object_id, campaign.name, campaign.frozen_sender)
    chunks = Chunk.objects.filter(campaign=campaign, rows__gt=0).order_by("pk").values_list("pk", flat=True)
    for chunk_id in chunks.iterator():
        with connection.cursor() as cursor:
            cursor.execute(_ROWS, id_range(chunk_id))
            rows = cursor.fetchall()
        kept = kept_words(*id_range(chunk_id))
        told = orjson.loads(b"[" + results_json(heading, [row[:7] for row in rows]) + b"]")
        for result, row in zip(told, rows, strict=True):
            number, *_, state, _, modified_ms, attempts, reply_code, reply, relay = row
            result |= {"attempts": attempts, "reply_code": reply_code, "reply": reply, "relay": relay}
            if number in kept:
                own = Word(State(state), attempts, modified_ms, reply_code, reply, relay)
                result["history"] = [word_json(word) for word in history(kept[number], own)]
        yield b"".join(orjson.dumps(result) + b"\n" for result in told)
