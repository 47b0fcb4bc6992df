"""What scenarios do over and over through the API: a sender, a campaign, its status and its results."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.end_to_end.api_client import ApiClient, Response
from tests.end_to_end.waiting import wait_for

SENDER = "news@sender.test"
#: A start in the past starts at once.
LONG_AGO = "2020-01-01 00:00"


def people_csv(count: int, domain: str = "example.com") -> bytes:
    """A header and `count` rows: "Person 7,person7@example.com,City 7"."""
    rows = (f"Person {number},person{number}@{domain},City {number}\r\n" for number in range(count))
    return ("name,email,city\r\n" + "".join(rows)).encode()


def people(count: int, domain: str = "example.com") -> list[str]:
    """The addresses in `people_csv(count)`."""
    return [f"person{number}@{domain}" for number in range(count)]


def add_sender(client: ApiClient, email: str = SENDER) -> str:
    """The new sender's id."""
    return identifier(client.post("/email/senderid/", {"description": "Newsletter", "email": email}).expect(201).json)


def identifier(resource: dict[str, Any]) -> str:
    """The id in a resource's body: 24 hex."""
    return str(resource["$_id"]["$oid"])


def attributes(sender_id: str, **changes: dict[str, object]) -> dict[str, dict[str, object]]:
    """A campaign of a new message to an uploaded group, at once; `changes` replace keys of its three objects."""
    usual: dict[str, dict[str, object]] = {
        "message": {"source": "new", "description": "Hello {{ name }}", "email_message": "How is {{ city }}?"},
        "contact_group": {"type": "upload", "name_index": 0, "email_index": 1},
        "schedule": {
            "name": "Spring",
            "start_date": LONG_AGO,
            "timezone": "EST5EDT",
            "sender_id": {"$oid": sender_id},
        },
    }
    return {part: {**keys, **changes.get(part, {})} for part, keys in usual.items()}


def post_campaign(client: ApiClient, attributes: dict[str, dict[str, object]], csv: bytes | None) -> Response:
    files = {"csv_file": ("people.csv", csv)} if csv is not None else {}
    return client.post_multipart("/email/campaign/", {"attributes": attributes}, files)


def start_campaign(client: ApiClient, csv: bytes, **changes: dict[str, object]) -> str:
    """A campaign to everyone in `csv` from a new sender, due at once: its id."""
    return identifier(post_campaign(client, attributes(add_sender(client), **changes), csv).expect(201).json)


def status(client: ApiClient, campaign_id: str) -> str:
    return str(client.get("/email/campaign/", _id=campaign_id).expect(200).json["status"])


def set_status(client: ApiClient, campaign_id: str, new_status: str) -> None:
    client.put("/email/campaign/", {"status": new_status}, _id=campaign_id).expect(204)


def results(client: ApiClient, campaign_id: str) -> list[dict[str, Any]]:
    """Every result of the campaign."""
    response = client.get(
        "/email/result/filter/", start_date="2000-01-01", end_date="2100-01-01", campaign_id=campaign_id
    )
    return list(response.expect(200).json)


def dispositions(client: ApiClient, campaign_id: str) -> dict[str, int]:
    """How many results the campaign has of each disposition."""
    return dict(Counter(result["disposition"] for result in results(client, campaign_id)))


def wait_until_completed(client: ApiClient, campaign_id: str, timeout: float = 60.0) -> None:
    wait_for(
        lambda: status(client, campaign_id) == "completed",
        timeout,
        lambda: f"a completed campaign; it is {status(client, campaign_id)}: {dispositions(client, campaign_id)}",
    )


def assert_each_once(received: Iterable[str], expected: Iterable[str]) -> None:
    """Every expected recipient got exactly one message, and nobody else any."""
    counted, wanted = Counter(received), Counter(expected)
    assert counted == wanted, f"missing: {wanted - counted}, too many: {counted - wanted}"
