"""kill -9 of everything in the middle of an import job: it goes on by itself, to exactly the new contacts."""

from collections.abc import Callable

from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.campaigns import people, people_csv
from tests.end_to_end.server import Server
from tests.end_to_end.waiting import wait_for
from tests.faults.scenario import IS_LONG, IS_POSTGRESQL, Report, long_only, sized

# On PostgreSQL the job is found again when its node's heartbeat has been missing for long enough.
pytestmark = [long_only] if IS_POSTGRESQL and not IS_LONG else []


def test_an_import_job_is_killed_again_and_again(new_server: Callable[..., Server], report: Report) -> None:
    count, kills = sized(150_000, 400_000), sized(2, 5)
    server = new_server().start()
    client = server.create_client("acme")
    group = str(client.post("/email/contact/", {"tag": "People"}).expect(201).json["$_id"]["$oid"])
    old = people(5, "old.example")
    job(client, group, people_csv(5, "old.example"))
    wait_for(lambda: newest(client)["status"] == "done", 60, server.log)

    job(client, group, people_csv(count))
    killed = 0
    for number in range(1, kills + 1):
        wait_for(lambda number=number: is_at(client, number / (kills + 2), count), 90, server.log)
        if newest(client)["status"] == "done":
            break
        server.kill_everything()
        killed += 1
        server.start()
        assert emails(client, group) in (old, people(count))
    wait_for(lambda: newest(client)["status"] == "done", 120, server.log)
    report.faults = f"{killed} kills in an import of {count}"
    assert killed, "it was quicker than the first kill"
    assert emails(client, group) == people(count)
    told = newest(client)
    assert (told["accepted_rows"], told["rejected_rows"]) == (count, 0)


def job(client: ApiClient, group: str, csv: bytes) -> None:
    path = f"/email/import/?_id={group}"
    client.post_multipart(path, {"action": "replace"}, {"csv_file": ("people.csv", csv)}).expect(202)


def newest(client: ApiClient) -> dict[str, object]:
    return dict(client.get("/email/import/").expect(200).json[-1])


def is_at(client: ApiClient, part: float, count: int) -> bool:
    told = newest(client)
    return told["status"] == "done" or int(str(told["accepted_rows"])) >= part * count


def emails(client: ApiClient, group: str) -> list[str]:
    return [row["email"] for row in client.get("/email/contact/", _id=group).expect(200).json["contacts"]]
