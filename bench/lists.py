"""Long lists over HTTP: when the first byte comes, how many rows a second, and what the web process grows to.

    .venv/bin/python -m bench.lists [--rows 1000000] [--campaigns 1]

A group of so many contacts is imported, and each campaign to it is cancelled as soon as its expansion has begun: so
there is a result for every contact, and nothing is sent. Then, on SQLite or what SENDMILL_DATABASE_URL names, each list
is read once as fast as it comes, and the group's contacts by a reader that stops for ten seconds after the first
megabyte. Pages of 100 results are read by `limit` and `after` at a hundred places all over the list, and searches for
an address among the group's contacts are timed without HTTP, for the pages of the dashboard. Medians.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.bulk import write_list
from bench.running import Api, RunningServer, free_port

ALWAYS = "start_date=2000-01-01&end_date=2100-01-01"
PLACES = 100
ROUNDS = 3


def read_list(api: Api, path: str) -> tuple[float, float]:
    """Seconds to the first byte, and to the last."""
    began = time.monotonic()
    response = api.open(path)
    response.read(1)
    first = time.monotonic() - began
    while response.read(1 << 16):
        pass
    return first, time.monotonic() - began


def report(server: RunningServer, api: Api, name: str, path: str, rows: int) -> None:
    """Read a list a few times, and print what that took."""
    server.forget_peaks()
    read = [read_list(api, path) for _ in range(ROUNDS)]
    first, whole = (statistics.median(column) for column in zip(*read, strict=True))
    print(
        f"{name:28} first byte {first * 1e3:6.0f} ms   {rows / whole:>10,.0f} rows/s   {peak_of_web(server):4.0f} MB",
        flush=True,
    )


def peak_of_web(server: RunningServer) -> float:
    """Megabytes."""
    return max(peak for role, peak in server.peaks().items() if role.startswith("web")) / 1e6


def read_slowly(server: RunningServer, api: Api, path: str) -> None:
    """As a client does that stops after a megabyte."""
    server.forget_peaks()
    response = api.open(path)
    response.read(1 << 20)
    time.sleep(10)
    print(f"{'a slow reader of contacts':28} {peak_of_web(server):57.0f} MB")
    while response.read(1 << 16):
        pass


def make_results(api: Api, group: str, rows: int) -> str:
    """A campaign to the group that is cancelled when its expansion has begun, as soon as all results are there; its
    id."""
    sender = api.post_json("/email/senderid/", {"description": "Bench", "email": "from@bench.example"})
    start = datetime.now(UTC) - timedelta(days=1)
    attributes = {
        "message": {"source": "new", "description": "Hello", "email_message": "Good day."},
        "contact_group": {"type": "reuse", "_id": group},
        "schedule": {
            "name": "Bench", "start_date": f"{start:%Y-%m-%d %H:%M}", "timezone": "UTC",
            "sender_id": sender["$_id"]["$oid"],
        },
    }  # fmt: skip
    form = {"attributes": json.dumps(attributes)}
    identifier: str = api.post_multipart("/email/campaign/", form, None)["$_id"]["$oid"]
    progress = f"/email/campaign/progress/?_id={identifier}"
    while api.get_json(progress)["recipients"] == 0:
        time.sleep(0.02)
    api.request("PUT", f"/email/campaign/?_id={identifier}", json.dumps({"status": "cancelled"}))
    while api.get_json(progress)["complete"] < rows:
        time.sleep(0.2)
    return identifier


def report_pages(api: Api, rows: int) -> None:
    """Pages of 100 results, all over the list."""
    first = api.get_json(f"/email/result/filter/?{ALWAYS}&limit=1")[0]["$_id"]["$oid"]
    last_chunk = rows // 1_000
    waits = []
    for place in range(PLACES):
        after = f"{first[:10]}{int(first[10:], 16) + (place * last_chunk // PLACES << 10):014x}"
        began = time.monotonic()
        found: list[Any] = api.get_json(f"/email/result/filter/?{ALWAYS}&limit=100&after={after}")
        waits.append(time.monotonic() - began)
        assert found, "a place in the list"
    print(
        f"{'pages of 100 results':28} median {statistics.median(waits) * 1e3:.1f} ms, slowest {max(waits) * 1e3:.1f} ms"
        f" of {PLACES} in {rows:,}"
    )


def report_searches() -> None:
    """What `contacts.browsing` takes in the largest set."""
    import django

    django.setup()
    from sendmill.contacts import browsing
    from sendmill.contacts.models import ContactGroup

    contact_set = ContactGroup.objects.order_by("pk")[0].contact_set
    count = browsing.contact_count(contact_set)
    for name, act in (
        ("a page in the middle", lambda: browsing.contacts_at(contact_set, count // 2, 100)),
        ("a search that finds nothing", lambda: browsing.search_contacts(contact_set, "nobody@nowhere", 100)),
        ("a search that finds many", lambda: browsing.search_contacts(contact_set, "abc", 100)),
    ):
        waits = []
        for _ in range(10):
            began = time.monotonic()
            act()
            waits.append(time.monotonic() - began)
        print(f"{name:28} median {statistics.median(waits) * 1e3:.1f} ms of {count:,} contacts")


def main() -> None:
    """Fill a server, and read its lists."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--campaigns", type=int, default=1)
    options = parser.parse_args()
    url = os.environ.get("SENDMILL_DATABASE_URL")
    with tempfile.TemporaryDirectory(prefix="sendmill-bench-") as name:
        folder = Path(name)
        write_list(folder / "list.csv", options.rows)
        settings = {"SENDMILL_DATABASE_URL": url} if url else {}
        with RunningServer(folder, free_port(), "outbox:", settings) as server:
            api = server.client()
            group = api.post_json("/email/contact/", {"tag": "Bench"})["$_id"]["$oid"]
            fields = {"name_index": "0", "email_index": "1"}
            api.post_multipart(f"/email/contact/bulk/replace/?_id={group}", fields, (folder / "list.csv").read_bytes())
            contacts = f"/email/contact/?_id={group}"
            rows = len(api.get_json(contacts)["contacts"])
            report(server, api, "contacts of a group", contacts, rows)
            report(server, api, "all groups", "/email/contact/", rows)
            read_slowly(server, api, contacts)
            campaigns = [make_results(api, group, rows) for _ in range(options.campaigns)]
            report(
                server, api, "results of a campaign", f"/email/result/filter/?{ALWAYS}&campaign_id={campaigns[0]}", rows
            )
            report_pages(api, rows * options.campaigns)
            os.environ |= {"DJANGO_SETTINGS_MODULE": "sendmill.settings", "SENDMILL_DATA": str(folder / "data")}
            report_searches()


if __name__ == "__main__":
    main()
