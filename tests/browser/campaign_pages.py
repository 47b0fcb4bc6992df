"""What the pages of campaigns and messages show, and the list of these pages."""

from tests.browser.session import Session
from tests.browser.site import Site
from tests.end_to_end.campaigns import add_sender, attributes, identifier, post_campaign, results
from tests.end_to_end.waiting import wait_for

BODY = """<!doctype html>
<html><body style="margin:0;background:#f4f1ec;font-family:Georgia,serif">
<div style="max-width:560px;margin:0 auto;padding:32px 24px;background:#fffdf9;color:#2b2622">
  <h1 style="font-size:26px;margin:0 0 12px">New beans, {{ name }}</h1>
  <p style="line-height:1.6">The first sacks from Huila are roasted.
  If you are near {{ city }} this week, the first cup is on us.</p>
  {% if plan == "gold" %}<p style="line-height:1.6"><b>Gold members</b> get the tasting on Thursday, too.</p>{% endif %}
  <p><a href="https://cafe.test/beans" style="display:inline-block;padding:10px 18px;background:#6b4226;color:#fff;
  text-decoration:none;border-radius:6px">See what is roasting</a></p>
  <p style="color:#7a7068;font-size:13px">Café Zoë, 12 Harbour Street ·
  <a href="{{ unsubscribe_url }}" style="color:#7a7068">Unsubscribe</a></p>
</div></body></html>
"""
PEOPLE = "name,email,city,plan\r\n" + "".join(
    f"{name},{name.lower()}@example.com,{city},{plan}\r\n"
    for name, city, plan in [
        ("Amira", "Lyon", "gold"), ("Bo", "Malmö", "free"), ("Chidi", "Lagos", "gold"), ("Dana", "Brno", "free"),
        ("Emre", "İzmir", "gold"), ("Finn", "Kiel", "free"), ("Gita", "Pune", "gold"), ("Hana", "Osaka", "free"),
    ]
) + "Nobody,not an address,Nowhere,free\r\n"  # fmt: skip
LATER = "2999-03-01 09:30"


def fill_campaigns(site: Site) -> dict[str, str]:
    """A finished campaign, a scheduled and a paused one, messages, and a draft up to its check."""
    api = site.api
    sender = add_sender(api, "beans@roastery.test")
    api.post("/email/optout/", {"email": "dana@example.com"}).expect(201)
    message = identifier(
        api.post("/email/message/", {"description": "New beans, {{ name }}", "email_message": BODY}).expect(201).json
    )
    reused = {"source": "reuse", "_id": message}
    zone = {"timezone": "America/New_York"}
    done = identifier(
        post_campaign(
            api, attributes(sender, message=reused, schedule={"name": "New beans from Huila", **zone}), PEOPLE.encode()
        )
        .expect(201)
        .json
    )
    for name, status in (("Spring tasting <b>evening</b>", "active"), ("Members’ newsletter", "paused")):
        schedule = {"name": name, "start_date": LATER, **zone}
        made = identifier(
            post_campaign(api, attributes(sender, message=reused, schedule=schedule), PEOPLE.encode()).expect(201).json
        )
        if status == "paused":
            api.put("/email/campaign/", {"status": status}, _id=made).expect(204)
        scheduled = made
    wait_for(lambda: api.get("/email/campaign/", _id=done).json["status"] == "completed", what="the campaign's end")
    session = Session(site)
    session.post("/campaigns/new/message/", {"use": message})
    session.get("/campaigns/new/people/")
    session.post("/campaigns/new/people/", {}, csv_file=("members.csv", PEOPLE.encode()))
    wait_for(lambda: "Go on with this list" in session.get("/campaigns/new/people/"), what="a list that is read")
    session.get("/campaigns/new/schedule/")
    day, _, clock = LATER.partition(" ")
    session.post(
        "/campaigns/new/schedule/",
        {"name": "Autumn roast", "sender_id": sender, "start_date": day, "start_time": clock, **zone},
    )
    return {"campaign": done, "scheduled": scheduled, "message": message, "result": identifier(results(api, done)[0])}


CAMPAIGN_PAGES = {
    "campaigns": "/campaigns/",
    "campaign": "/campaigns/{campaign}/",
    "campaign-scheduled": "/campaigns/{scheduled}/",
    "campaign-results": "/campaigns/{campaign}/results/",
    "campaign-results-none": "/campaigns/{campaign}/results/?q=nobody",
    "result": "/results/{result}/",
    "draft-message": "/campaigns/new/message/",
    "draft-write": "/campaigns/new/message/?write=1",
    "draft-people": "/campaigns/new/people/",
    "draft-schedule": "/campaigns/new/schedule/",
    "draft-check": "/campaigns/new/check/",
    "messages": "/messages/",
    "message": "/messages/{message}/",
}
"""The pages by the names of their pictures; in braces what `fill_campaigns` has made."""
