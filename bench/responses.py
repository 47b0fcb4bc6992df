"""How long a request waits while Sendmill is busy: `GET /email/message/`, some ninety times a second.

    .venv/bin/python -m bench.responses [--rows 300000] [--rounds 3]

Asked while nothing else happens; during an import that replaces a group by so many rows; and during a campaign to as
many recipients at full speed, into Postfix's smtp-sink, from its start to its end. SQLite, or what
SENDMILL_DATABASE_URL names, which must be empty. Printed: the median and the 99th percentile of each, medians of the
rounds, with the rates of import and campaign, both with the requests beside.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench.bulk import Asking, seconds, write_list
from bench.running import Api, RunningServer, free_port, smtp_sink
from bench.send import BODY, SUBJECT, contacts_csv

IDLE_SECONDS = 10


class Waits(NamedTuple):
    """What the requests waited while something took so many seconds."""

    took: float
    median: float
    p99: float


def waits_during(api: Api, act: Callable[[], object]) -> Waits:
    """What requests wait meanwhile."""
    with Asking(api) as asking:
        took = seconds(act)
    return Waits(took, statistics.median(asking.waits), statistics.quantiles(asking.waits, n=100)[98])


def start_campaign(api: Api, recipients: int) -> str:
    """A campaign that is due now, its contacts being there; its id."""
    sender = api.post_json("/email/senderid/", {"description": "Bench", "email": "from@bench.example"})
    attributes = {
        "message": {"source": "new", "description": SUBJECT, "email_message": BODY},
        "contact_group": {"type": "upload", "name_index": 1, "email_index": 0},
        "schedule": {"name": "Bench", "start_date": "2020-01-01 00:00", "timezone": "UTC", "sender_id": sender["$_id"]},
    }
    identifier: str = api.post_campaign(attributes, contacts_csv(recipients))["$_id"]["$oid"]
    return identifier


def wait_for_end(api: Api, campaign: str) -> None:
    """Return when all is sent."""
    while api.get_json(f"/email/campaign/?_id={campaign}")["status"] != "completed":
        time.sleep(0.1)


def run_round(server: RunningServer, rows: int, file: bytes) -> dict[str, Waits]:
    """All cases, once."""
    api = server.client()
    api.post_json("/email/message/", {"description": "Hello", "email_message": "Good day."})
    group = api.post_json("/email/contact/", {"tag": "Bench"})["$_id"]["$oid"]
    path = f"/email/contact/bulk/replace/?_id={group}"
    found = {"nothing else": waits_during(api, partial(time.sleep, IDLE_SECONDS))}
    found["an import"] = waits_during(
        api, partial(api.post_multipart, path, {"name_index": "0", "email_index": "1"}, file)
    )
    campaign = start_campaign(api, rows)
    found["a campaign"] = waits_during(api, partial(wait_for_end, api, campaign))
    return found


def main() -> None:
    """Run the rounds and print what they gave."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    url = os.environ.get("SENDMILL_DATABASE_URL")
    rounds: list[dict[str, Waits]] = []
    with tempfile.TemporaryDirectory(prefix="sendmill-bench-") as name:
        whole = Path(name) / "whole.csv"
        write_list(whole, options.rows)
        for number in range(options.rounds):
            folder = Path(name) / str(number)
            folder.mkdir()
            settings = {"SENDMILL_DATABASE_URL": url} if url else {}
            with (
                smtp_sink() as port,
                RunningServer(folder, free_port(), f"smtp://127.0.0.1:{port}?tls=none", settings) as server,
            ):
                rounds.append(run_round(server, options.rows, whole.read_bytes()))
    print(f"GET /email/message/, medians of {options.rounds} rounds")
    for case in rounds[0]:
        took, median, p99 = (
            statistics.median(column) for column in zip(*(found[case] for found in rounds), strict=True)
        )
        rate = "" if case == "nothing else" else f"   {options.rows / took:,.0f} a second"
        print(f"during {case:13} median {median * 1e3:5.1f} ms   p99 {p99 * 1e3:5.1f} ms{rate}")


if __name__ == "__main__":
    main()
