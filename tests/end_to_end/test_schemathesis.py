"""What the description says, Schemathesis tries on a running server: nothing fails, nothing is undocumented."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.campaigns import identifier, people_csv, results, start_campaign
from tests.end_to_end.server import Server
from tests.end_to_end.waiting import wait_for

EXAMPLES = 5
"""For each operation, beside the systematic ones: about 900 requests in all."""

CHECKS = [
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "ignored_auth", "unsupported_method",
]  # fmt: skip


def test_the_server_answers_as_it_is_described(server: Server, tmp_path: Path) -> None:
    client = server.create_client("acme")
    description = client.get("/api/v1/schema/").expect(200).json
    name_what_there_is(description, client)
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(description))

    run = subprocess.run(
        [str(Path(sys.executable).parent / "schemathesis"), "run", str(file), "--url", server.url,
         "--header", f"Authorization: Token {client.token}", "--checks", ",".join(CHECKS),
         "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", "1",
         "--generation-database", "none", "--continue-on-failure", "--no-color"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    assert run.returncode == 0, run.stdout[-10_000:] + run.stderr[-2_000:]
    assert f"Tested: {len(operations(description))}" in run.stdout
    assert "api.unexpected_error" not in server.log()


def operations(description: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for methods in description["paths"].values() for operation in methods.values()]


def name_what_there_is(description: dict[str, Any], client: ApiClient) -> None:
    """Puts ids into the description that exist, several of a kind because some will be deleted: random ones would
    never get beyond 404."""
    ids = {
        path: [client.post(path, body | unlike(path, number)).expect(201).json["$_id"]["$oid"] for number in range(4)]
        for path, body in {
            "/email/senderid/": {"description": "x", "email": "sender@example.com"},
            "/email/optout/": {},
            "/email/message/": {"description": "Subject", "email_message": "Hello {{ name }}"},
            "/email/contact/": {"tag": "People"},
        }.items()
    }
    bulk = client.post_multipart("/email/optout/bulk/add/", files={"csv_file": ("f.csv", b"email\na@example.com\nb\n")})
    ids["/email/import/"] = [bulk.expect(200).headers["Sendmill-Import"]]
    attributes = json.dumps(
        {
            "message": {"source": "reuse", "_id": ids["/email/message/"][0]},
            "contact_group": {"type": "reuse", "_id": ids["/email/contact/"][0]},
            "schedule": {
                "name": "x", "start_date": "2099-01-01 00:00", "timezone": "EST5EDT",
                "sender_id": ids["/email/senderid/"][0],
            },
        }
    )  # fmt: skip
    campaign = client.post_multipart("/email/campaign/", {"attributes": attributes}).expect(201)
    ids["/email/campaign/"] = [campaign.json["$_id"]["$oid"]]
    started = start_campaign(client, people_csv(1))
    ids["/email/result/"] = [identifier(result) for result in wait_for(lambda: results(client, started))]

    for path, methods in description["paths"].items():
        kind = "/".join(path.split("/")[:3]) + "/"
        for operation in methods.values():
            for parameter in operation.get("parameters", []):
                if parameter["name"] == "_id":
                    parameter["schema"]["enum"] = [*ids[kind], "57bb010e2cd5264797b017e5", "nonsense"]
    form = description["paths"]["/email/campaign/"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    form["properties"]["attributes"]["enum"] = [attributes, attributes.replace("EST5EDT", "XYZ"), "{}", "{"]


def unlike(path: str, number: int) -> dict[str, str]:
    return {"email": f"{number}@example.com"} if path == "/email/optout/" else {}
