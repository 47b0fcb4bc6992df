"""What the pages of contacts, opt-outs and senders show, and the list of these pages."""

from tests.browser.site import Site
from tests.end_to_end.campaigns import add_sender, attributes, identifier, post_campaign
from tests.end_to_end.waiting import wait_for

_NAMES = ["Amira", "Bo", "Chidi", "Dana", "Emre", "Finn", "Gita", "Hana", "Ines", "Jonas", "Kaya", "Lars"]
READERS = "name,email,city,plan\r\n" + "".join(
    f"{name} {other},{name.lower()}.{other.lower()}@readers.test,Lyon,{'gold' if len(other) > 4 else 'free'}\r\n"
    for name in _NAMES
    for other in ("Okafor", "Ek", "Novak", "Li", "Silva")
)


def fill_contacts(site: Site) -> dict[str, str]:
    """Groups, an upload with rows that can't be used, opt-outs, senders, and a person who got something."""
    api = site.api
    sender = add_sender(api, "hello@roastery.test")
    add_sender(api, "a-very-long-address-for-a-newsletter@shop.roastery.test")
    groups = {
        tag: identifier(api.post("/email/contact/", {"tag": tag}).expect(201).json)
        for tag in ("Newsletter <b>readers</b>", "Tasting evening", "Nobody yet")
    }
    readers, evening, empty = groups.values()
    columns = {"name_index": 0, "email_index": 1}
    for group in (readers, evening):
        files = {"csv_file": ("people.csv", READERS.encode())}
        api.post_multipart("/email/contact/bulk/replace/", columns, files, _id=group).expect(200)
    bad = READERS + "Nobody,not an address,Nowhere,free\r\nTwo,a@b.test;c@d.test,Nowhere,free\r\n"
    files = {"csv_file": ("people.csv", bad.encode())}
    fields = {"action": "update", **columns}
    upload = identifier(api.post_multipart("/email/import/", fields, files, _id=readers).expect(202).json)
    for email in ("dana.ek@readers.test", "finn.li@readers.test", "amira.okafor@readers.test"):
        api.post("/email/optout/", {"email": email}).expect(201)
    optout = identifier(api.get("/email/optout/").json[0])
    sent = attributes(sender, contact_group={"type": "reuse", "_id": {"$oid": evening}})
    campaign = identifier(post_campaign(api, sent, None).expect(201).json)
    api.post("/email/contact/erase/", {"email": "lars.li@readers.test"}).expect(202)
    wait_for(lambda: api.get("/email/import/", _id=upload).json["status"] == "done", what="the upload's end")
    wait_for(lambda: api.get("/email/campaign/", _id=campaign).json["status"] == "completed", what="the campaign's end")
    wait_for(lambda: api.get("/email/contact/erase/").json[0]["status"] == "done", what="the erasure's end")
    erasure = identifier(api.get("/email/contact/erase/").json[0])
    return {"group": readers, "empty": empty, "upload": upload, "optout": optout, "sender": sender, "erasure": erasure}


CONTACT_PAGES = {
    "contacts": "/contacts/",
    "group": "/contacts/{group}/",
    "group-empty": "/contacts/{empty}/",
    "group-upload": "/contacts/{group}/upload/",
    "contact-add": "/contacts/{group}/contact/",
    "upload": "/uploads/{upload}/",
    "person": "/contacts/person/?email=amira.okafor@readers.test",
    "person-erased": "/contacts/person/?email=lars.li@readers.test",
    "erasures": "/contacts/erasures/",
    "erasure": "/contacts/erasures/{erasure}/",
    "opt-outs": "/opt-outs/",
    "opt-outs-add": "/opt-outs/add/",
    "opt-out-remove": "/opt-outs/{optout}/remove/",
    "senders": "/senders/",
    "sender": "/senders/{sender}/",
    "sending-domain": "/senders/domains/roastery.test/",
}
"""The pages by the names of their pictures; in braces what `fill_contacts` has made."""
