"""What the overview, the settings and the installation show: campaigns that are done, paused and to come; people."""

import re
from datetime import UTC, datetime, timedelta

from tests.browser.session import Session
from tests.browser.site import PASSWORD, Site, accept
from tests.end_to_end.campaigns import (
    add_sender,
    attributes,
    identifier,
    people_csv,
    post_campaign,
    set_status,
    wait_until_completed,
)

OVERVIEW_PAGES = {
    "overview": "/",
    "clients": "/clients/",
    "account": "/account/",
    "account-security": "/account/security/",
    "settings": "/settings/",
    "settings-people": "/settings/people/",
    "settings-tokens": "/settings/tokens/",
    "settings-delivery": "/settings/delivery/",
    "settings-audit": "/settings/audit/",
    "settings-audit-none": "/settings/audit/?actor=nobody",
    "installation": "/installation/",
    "installation-add": "/installation/add/",
    "installation-people": "/installation/people/",
    "installation-audit": "/installation/audit/",
}
SIGN_IN_PAGES = {
    "sign-in": "/sign-in/",
    "password": "/password/",
    "password-sent": "/password/sent/",
    "password-link-used": "/password/1-abc/",
}


def fill_overview(site: Site) -> None:
    """Three campaigns of one sender; another client, whose owner is deactivated."""
    _add_people(site)
    sender = add_sender(site.api, "news@cafe.test")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    done = {
        "name": "Spring menu <script>alert(1)</script>", "sender_id": {"$oid": sender},
        "start_date": f"{yesterday:%Y-%m-%d %H:%M}", "timezone": "UTC",
    }  # fmt: skip
    later = {**done, "name": "Summer menu", "start_date": "2031-06-01 09:00", "timezone": "Europe/Berlin"}
    csv = people_csv(40)
    first = identifier(post_campaign(site.api, attributes(sender, schedule=done), csv).expect(201).json)
    wait_until_completed(site.api, first)
    post_campaign(site.api, attributes(sender, schedule=later), csv).expect(201)
    paused = {**later, "name": "Recipes of the week", "start_date": "2031-01-01 09:00"}
    set_status(site.api, identifier(post_campaign(site.api, attributes(sender, schedule=paused), csv).json), "paused")


def _add_people(site: Site) -> None:
    session = Session(site)
    session.get("/installation/add/")
    for path, fields in {
        "/installation/add/": {
            "name": "Bakery <b>& sons</b>",
            "email": "owner@a-rather-long-name-for-a-bakery.example",
        },
        "/settings/people/": {"email": "ana@cafe.test", "role": "editor"},
    }.items():
        made = session.post(path, fields)
        accept(re.search(r'value="(http[^"]+/invitation/[^"]+)"', made)[1], password=PASSWORD)  # type: ignore[index]
    session.post("/settings/people/", {"email": "bo@cafe.test", "role": "viewer"})
    people = session.get("/installation/people/?q=ana@")
    session.post(re.search(r'action="([^"]+/deactivate/)"', people)[1], {})  # type: ignore[index]
