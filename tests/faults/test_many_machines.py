"""Two web hosts, three worker hosts and one PostgreSQL on a network: hosts are cut off and lost, the database restarts.

web 1   web 2   worker 1   worker 2   worker 3
  └───────┴────────┴──┬───────┴──────────┘
         PostgreSQL, the mail server and the test
"""

import json
import time
from pathlib import Path

import psycopg

from sendmill.delivery.budget import BUCKET_SECONDS
from sendmill.delivery.marks import marked_ids
from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.campaigns import (
    add_sender,
    attributes,
    identifier,
    people,
    people_csv,
    post_campaign,
    wait_until_completed,
)
from tests.end_to_end.smtp_sink import SmtpSink
from tests.end_to_end.waiting import wait_for
from tests.faults.network import WEB_PORT, Host, network, unread_bytes_from
from tests.faults.postgresql_cluster import Cluster
from tests.faults.scenario import IS_LONG, Report, several_machines, sized

CONNECTIONS = 5


@several_machines
def test_hosts_are_cut_off_and_lost_and_the_database_restarts(tmp_path: Path, report: Report) -> None:
    rate, lease = 150, 30 if IS_LONG else 3
    count = sized(20, 110) * rate  # half a minute is left when the last fault has passed
    cut_seconds = sized(5, 60)
    with network() as net, SmtpSink(address=net.address) as sink:
        cluster = Cluster(net.address)
        try:
            settings = {
                "SENDMILL_DATABASE_URL": cluster.url,
                "SENDMILL_SMTP_URL": f"{sink.url}?connections={CONNECTIONS}&rate={rate}",
                "SENDMILL_LEASE_SECONDS": str(lease),
                "SENDMILL_RETRY_SECONDS": "1,1,2",
            }
            first_web, web, *workers = [net.add_host(tmp_path, **settings) for _ in range(5)]
            web.run("migrate")
            for host in (first_web, web):
                host.start("web")
            for host in workers:
                host.start("worker", "--processes", "1")
            made = json.loads(web.run("client", "add", "acme", "--email", "acme@client.test", "--json"))
            for host in (first_web, web):
                wait_for(host.is_ready, 60, net.logs)
            client = ApiClient(f"http://{web.address}:{WEB_PORT}", made["token"], made["client_id"])

            group = imported(ApiClient(f"http://{first_web.address}:{WEB_PORT}", made["token"]), count, first_web)
            wait_for(lambda: reporting(cluster) == 3, 60, net.logs)
            wait_for(lambda: is_imported(client), 60, net.logs)
            reuse = attributes(add_sender(client), contact_group={"type": "reuse", "_id": group})
            campaign = identifier(post_campaign(client, reuse, None).expect(201).json)

            wait_for(lambda: len(sink.messages) > count / 10, 60, net.logs)
            workers[0].cut_off()
            marked = {workers[0].address: marked_by(cluster, workers[0])}
            wait_seconds(cut_seconds)
            workers[0].reconnect()
            healed = database_ms(cluster)
            wait_for(lambda: reporting(cluster, healed) == 3, 60, net.logs)
            workers[1].lose()
            marked[workers[1].address] = marked_by(cluster, workers[1])
            taken = len(sink.messages)
            wait_for(lambda: len(sink.messages) > taken + rate, lease + 30, net.logs)
            cluster.restart_immediately()
            report.faults = f"a worker host cut off {cut_seconds} s, one and a web host lost, the database restarted"
            wait_until_completed(client, campaign, 60)
            were_open = open_transactions(sink, marked)
            found = report.settle(client, campaign, people(count), sink, most_repeats=len(were_open))
            assert found.repeated.keys() <= were_open
            assert found.dispositions == {"delivered": count}
            measured = (count - 1 - rate * BUCKET_SECONDS) / (sink.messages[-1].arrived - sink.messages[0].arrived)
            report.note = f"{measured:.0f}/s of {rate}/s"
            assert measured <= rate * 1.02
            assert [workers[0].end(), workers[2].end()] == [0, 0]
            assert not [host.name for host in (web, *workers) if "Traceback" in host.log()], net.logs()
        except AssertionError:
            print(net.logs())
            raise
        finally:
            cluster.stop()


def marked_by(cluster: Cluster, host: Host) -> set[str]:
    """Whose messages a host that is cut off has begun, or was about to, without their ends being recorded.

    What it had in the database's hands at that moment is done first; what it has not committed never will be.
    """
    at_work = f"SELECT count(*) FROM pg_stat_activity WHERE client_addr = '{host.address}' AND state = 'active'"
    wait_for(lambda: not unread_bytes_from(host.address) and ask(cluster, at_work) == 0, 10)
    with psycopg.connect(cluster.url) as database:
        chunks = database.execute(
            "SELECT id, being_sent, fence FROM delivery_chunk WHERE starts_with(owner, %s)", [host.node]
        )
        ids = [number for chunk in chunks for number in marked_ids(*chunk)]
        rows = database.execute("SELECT email FROM delivery_delivery WHERE id = ANY(%s)", [ids])
        return {email for (email,) in rows}


def open_transactions(sink: SmtpSink, marked: dict[str, set[str]]) -> set[str]:
    """Of the recipients that hosts had marked when they were cut off (by address), those who had got it from that host.

    Nobody else can read its journal: for all others these transactions are open.
    """
    first: dict[str, str] = {}
    for message in sink.messages:
        first.setdefault(message.recipient, message.client_address)
    return {
        recipient for address, recipients in marked.items() for recipient in recipients if first[recipient] == address
    }


def wait_seconds(seconds: float) -> None:
    """The time is the fault: nothing happens that could be waited for."""
    ends = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() > ends, seconds + 10)


def imported(client: ApiClient, count: int, host: Host) -> str:
    """A group whose contacts a job brings in, and the host that took its file is lost at once; the group's id."""
    files = {"csv_file": ("people.csv", people_csv(count))}
    job = client.post_multipart("/email/import/", {"action": "replace", "tag": "People"}, files).expect(202).json
    host.lose()
    return str(job["contact_group_id"]["$oid"])


def is_imported(client: ApiClient) -> bool:
    return [job["status"] for job in client.get("/email/import/").expect(200).json] == ["done"]


def reporting(cluster: Cluster, since_ms: int = 0) -> int:
    """How many delivery processes have said since then that they live."""
    return ask(cluster, f"SELECT count(*) FROM delivery_workerreport WHERE reported_ms > {since_ms}")


def database_ms(cluster: Cluster) -> int:
    return ask(cluster, "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")


def ask(cluster: Cluster, query: str) -> int:
    with psycopg.connect(cluster.url) as database:
        row = database.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])
