"""Peak memory of each process for a small and a large group: import, list, expansion, sending, results.

    .venv/bin/python bench/memory.py [--sizes 10000 500000]

For each size a server of its own is started, a CSV is imported over HTTP, the group is listed, a campaign is sent to it
through smtp-sink, and its results are read. Memory is flat if the peaks don't grow with the size; the yardstick is the
smallest size, and the growth beyond it is printed. So is how long after its start a campaign's first outcome was
recorded.
"""

import argparse
import http.client
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.running import Api, RunningServer, free_port, smtp_sink
from bench.send import BODY, SUBJECT, contacts_csv

EXPIRY = timedelta(hours=48)  # SENDMILL_EXPIRY_SECONDS: a campaign that starts stores when its retries end
ROLES = ("web", "scheduler", "worker")


def main() -> None:
    """Measure every size and print the peaks side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 500_000])
    sizes = parser.parse_args().sizes
    peaks = {size: measure(size) for size in sizes}
    print(f"{'process':12}" + "".join(f"{size:>14,}" for size in sizes) + f"{'growth':>12}")
    for role in ROLES:
        of_role = [peaks[size][role] for size in sizes]
        print(f"{role:12}" + "".join(f"{peak / 1e6:>11.0f} MB" for peak in of_role), end="")
        print(f"{(max(of_role) - of_role[0]) / 1e6:>9.0f} MB")


def measure(size: int) -> dict[str, int]:
    """The largest peak of each sort of process, in bytes, after the whole of a campaign's life."""
    with smtp_sink() as sink, tempfile.TemporaryDirectory(prefix="sendmill-bench-") as folder:
        server = RunningServer(Path(folder), free_port(), f"smtp://127.0.0.1:{sink}?tls=none")
        with server:
            api = server.client()
            group = api.post_json("/email/contact/", {"tag": "Bench"})["$_id"]
            identifier = group["$oid"]
            fields = {"name_index": "1", "email_index": "0"}
            timed(size, "import", lambda: api.post_multipart(replace_path(identifier), fields, contacts_csv(size)))
            timed(size, "list", lambda: read_all(api, f"/email/contact/?_id={identifier}"))
            sender = api.post_json("/email/senderid/", {"description": "Bench", "email": "from@bench.example"})
            attributes = {
                "message": {"source": "new", "description": SUBJECT, "email_message": BODY},
                "contact_group": {"type": "reuse", "_id": group},
                "schedule": {
                    "name": "Bench",
                    "start_date": "2020-01-01 00:00",
                    "timezone": "EST5EDT",
                    "sender_id": sender["$_id"],
                },
            }
            campaign = api.post_multipart("/email/campaign/", {"attributes": json.dumps(attributes)}, None)
            timed(size, "expand and send", lambda: wait_until_completed(api, campaign["$_id"]["$oid"]))
            print(f"{size:>9,}  first reply      {first_reply(Path(folder)):6.2f} s after the start", flush=True)
            results = "/email/result/filter/?start_date=2020-01-01&end_date=2100-01-01"
            timed(size, "results", lambda: read_all(api, results))
            found = server.peaks()
    return {role: max(peak for name, peak in found.items() if name.startswith(role)) for role in ROLES}


def first_reply(folder: Path) -> float:
    """Seconds from when the one campaign was found due to when the first recipient's outcome was recorded."""
    with sqlite3.connect(f"file:{folder}/data/sendmill.sqlite3?mode=ro", uri=True) as database:
        [expires] = database.execute("SELECT expires_at FROM campaigns_campaign").fetchone()
        [recorded_ms] = database.execute("SELECT min(modified_ms) FROM delivery_delivery WHERE state = 10").fetchone()
    started = datetime.fromisoformat(expires).replace(tzinfo=UTC) - EXPIRY
    return float(recorded_ms) / 1000 - started.timestamp()


def replace_path(identifier: str) -> str:
    """The bulk call that fills the group."""
    return f"/email/contact/bulk/replace/?_id={identifier}"


def timed(size: int, name: str, act: Callable[[], object]) -> None:
    """Do it and say how many a second."""
    began = time.monotonic()
    act()
    seconds = time.monotonic() - began
    print(f"{size:>9,}  {name:16} {seconds:6.1f} s   {size / seconds:>9,.0f}/s", flush=True)


def read_all(api: Api, path: str) -> int:
    """Read a list without keeping it; how many bytes it had."""
    response: http.client.HTTPResponse = api.open(path)
    size = 0
    while block := response.read(1 << 16):
        size += len(block)
    response.close()
    return size


def wait_until_completed(api: Api, campaign: str) -> None:
    """Return when every recipient is final."""
    while api.get_json(f"/email/campaign/?_id={campaign}")["status"] != "completed":
        time.sleep(0.05)


if __name__ == "__main__":
    main()
