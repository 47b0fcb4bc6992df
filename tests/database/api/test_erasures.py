"""`/email/contact/erase/`: what is answered, and whose erasures are seen."""

from sendmill.people.erasing import Step, take_step, unfinished
from tests.database.api.conftest import Tenant


def test_an_erasure_is_accepted_worked_off_and_tells_no_address(acme: Tenant, other: Tenant) -> None:
    refused = acme.api.post("/email/contact/erase/", {"email": "nobody"}).expect(400)
    assert list(refused.json) == ["email"]
    acme.api.post("/email/contact/erase/", {}).expect(400)
    asked = acme.api.post("/email/contact/erase/", {"email": "Ann@example.com"}).expect(202)
    assert list(asked.json) == [
        "$_id", "client_id", "status", "contacts", "results", "rejected_rows", "created_on", "finished_on",
    ]  # fmt: skip
    assert (asked.json["status"], asked.json["finished_on"]) == ("erasing", None)
    (number,) = unfinished()
    while take_step(number) != Step.FINISHED:
        pass
    done = acme.api.get("/email/contact/erase/", _id=asked.id).expect(200)
    assert done.json["status"] == "done" and done.json["finished_on"]
    assert b"ann" not in acme.api.get("/email/contact/erase/").expect(200).body.lower()
    assert other.api.get("/email/contact/erase/").json == []
    other.api.get("/email/contact/erase/", _id=asked.id).expect(404)
    other.api.get("/email/contact/erase/", _id="x").expect(404)
