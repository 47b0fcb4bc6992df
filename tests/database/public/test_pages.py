"""What recipients do with the links in a message that was made for them."""

import email
import json
import re
from datetime import timedelta
from email.policy import compat32

import pytest
from django.db import OperationalError
from django.test import Client as Browser
from django.utils import timezone
from pytest_django import Settings

from sendmill.accounts.clients import set_footer
from sendmill.accounts.models import Client
from sendmill.campaigns import lifecycle
from sendmill.campaigns.models import Campaign
from sendmill.delivery.models import Chunk, Delivery
from sendmill.delivery.render import load_campaign_message
from sendmill.delivery.states import State
from sendmill.delivery.transmission import Transmission
from sendmill.errors import InvalidField
from sendmill.languages import LANGUAGES
from sendmill.links import UNSUBSCRIBE, VIEW_IN_BROWSER, LinkTarget, make_token
from sendmill.optouts import registry
from sendmill.optouts.models import OptOut, OptOutChange, Source
from sendmill.optouts.suppressions import lift_suppression, suppress
from sendmill.public import views
from sendmill.public.phrases import PHRASES
from tests.database.campaigns.making import make_campaign, make_client, make_group, make_message
from tests.database.delivery.making import expand_fully, fill_group
from tests.database.delivery.test_queue import claimed

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script>"
HTML = (
    f"<html><body><p>Hello {{{{ name }}}} in {{{{ city }}}}</p>{EVIL}"
    "<a href='{{ view_in_browser_url }}'>In the browser</a></body></html>"
)
BOB = "Bob.Smith@Books.example"


@pytest.fixture
def browser(settings: Settings) -> Browser:
    settings.SENDMILL_PUBLIC_URL = "https://mail.example"
    return Browser(headers={"Accept-Language": "tlh, de-CH;q=0.9, en;q=0.5"})


def started(client: Client, body: str, *emails: str) -> Campaign:
    """A campaign whose recipients are queued."""
    group = make_group(client)
    fill_group(group, emails)
    message = make_message(client, "News for {{ name }}", body)
    campaign = make_campaign(client, contact_group_object_id=group.object_id, message_object_id=message.object_id)
    assert lifecycle.start(campaign.pk, timezone.now())
    expand_fully(campaign)
    return campaign


class Mail:
    """A campaign's message as it goes onto the wire to the first recipient."""

    def __init__(self, campaign: Campaign) -> None:
        row = claimed("worker").rows[0]
        sent = load_campaign_message(campaign.pk, []).transmission(row)
        assert isinstance(sent, Transmission)
        message = email.message_from_bytes(sent.content, policy=compat32)
        self.post = message["List-Unsubscribe-Post"]
        self.unsubscribe = re.fullmatch(r"<https://mail\.example(/u/[\w-]+)>", message["List-Unsubscribe"])[1]  # type: ignore[index]
        self.texts = [
            part.get_payload(decode=True).decode()  # type: ignore[union-attr]
            for part in message.walk()
            if not part.is_multipart()
        ]

    def link(self, path: str) -> str:
        found = re.findall(rf"https://mail\.example(/{path}/[\w-]+)", self.texts[-1])
        assert len(set(found)) == 1
        return str(found[0])


def opted_out(client: Client) -> list[tuple[str, str, str]]:
    return list(OptOut.objects.filter(client=client).values_list("email", "source", "campaign_object_id"))


def test_a_link_in_a_message_opts_out_and_is_taken_back_by_its_recipient_alone(browser: Browser) -> None:
    client, other = make_client(f"Books {EVIL}"), make_client("Other")
    campaign = started(client, HTML, BOB)
    mail = Mail(campaign)
    assert mail.post == "List-Unsubscribe=One-Click"
    assert mail.link("u") == mail.unsubscribe
    german = PHRASES["de"]

    asked = browser.get(mail.unsubscribe)
    shown = asked.content.decode()
    assert asked.status_code == 200 and german.unsubscribe in shown and "B…\u2060@Books.example" in shown
    assert EVIL not in shown and "Bob" not in shown and 'lang="de"' in shown
    for method in ("head", "put", "delete", "patch", "options"):
        assert getattr(browser, method)(mail.unsubscribe).status_code in (200, 405)
    assert opted_out(client) == []

    for body, content_type in (
        (b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"),
        (b"--a\r\n broken", "multipart/form-data; boundary=zzz"),
        (b"\xff", "text/plain; charset=hex"),
    ):
        done = browser.generic("POST", mail.unsubscribe, body, content_type)
        assert done.status_code == 200 and german.unsubscribed in done.content.decode()
        assert not done.cookies
    assert opted_out(client) == [(BOB, Source.LINK, campaign.object_id)]
    assert opted_out(other) == []
    assert OptOutChange.objects.count() == 1, "only what changes something is written down"

    token = mail.unsubscribe.rpartition("/")[2]
    assert f'action="../subscribe-again/{token}"' in browser.get(mail.unsubscribe).content.decode()
    assert browser.get(f"/subscribe-again/{token}").status_code == 200
    assert len(opted_out(client)) == 1
    taken_back = browser.post(f"/subscribe-again/{token}")
    assert german.subscribed_again in taken_back.content.decode()
    assert opted_out(client) == []
    changes = OptOutChange.objects.order_by("pk").values_list("client_id", "email_key", "is_opted_out")
    assert list(changes) == [(client.pk, BOB.lower(), True), (client.pk, BOB.lower(), False)]


def test_who_was_opted_out_otherwise_is_not_mailed_again_for_a_click(browser: Browser) -> None:
    client = make_client()
    mail = Mail(started(client, HTML, BOB))
    registry.add_optout(client, email=BOB.lower())
    shown = browser.post(mail.unsubscribe).content.decode()
    assert "subscribe-again" not in shown
    browser.post(mail.unsubscribe.replace("/u/", "/subscribe-again/"))
    assert opted_out(client) == [(BOB.lower(), Source.API, "")]
    assert not OptOutChange.objects.exists()


def test_an_old_link_of_somebody_erased_stores_nothing_of_them(browser: Browser) -> None:
    client, other = make_client(), make_client("Other")
    mail = Mail(started(client, HTML, BOB))
    suppress(client, BOB.lower())
    for path in ("/u/", "/subscribe-again/"):
        for ask in (browser.get, browser.post):
            shown = ask(mail.unsubscribe.replace("/u/", path)).content.decode()
            assert PHRASES["de"].unsubscribed in shown and "<form" not in shown
    assert not OptOut.objects.exists() and not OptOutChange.objects.exists()
    browser.post("/u/" + make_token(UNSUBSCRIBE, other.pk, 1, BOB).decode())
    assert opted_out(other) == [(BOB, Source.LINK, "")], "who was erased elsewhere is somebody else's to keep"
    lift_suppression(client, BOB)
    browser.post(mail.unsubscribe)
    assert [email for email, _, _ in opted_out(client)] == [BOB]


def test_after_a_day_it_was_no_mistake(browser: Browser) -> None:
    client = make_client()
    mail = Mail(started(client, HTML, BOB))
    browser.post(mail.unsubscribe)
    OptOut.objects.update(created_on=timezone.now() - timedelta(hours=25))
    shown = browser.get(mail.unsubscribe).content.decode()
    assert PHRASES["de"].unsubscribed in shown and "<form" not in shown
    browser.post(mail.unsubscribe.replace("/u/", "/subscribe-again/"))
    assert [email for email, _, _ in opted_out(client)] == [BOB]


def test_links_work_when_campaign_and_results_are_gone(browser: Browser) -> None:
    client = make_client()
    mail = Mail(started(client, HTML, BOB))
    Delivery.objects.all().delete()
    Chunk.objects.all().delete()
    Campaign.objects.all().delete()
    gone = browser.get(mail.link("v"))
    assert gone.status_code == 404 and PHRASES["de"].gone in gone.content.decode()
    assert browser.post(mail.unsubscribe).status_code == 200
    assert opted_out(client) == [(BOB, Source.LINK, "")]


def test_a_number_given_out_again_shows_nobody_anothers_message(browser: Browser) -> None:
    client, other = make_client(), make_client("Other")
    mail = Mail(started(client, HTML, BOB))
    number = Delivery.objects.get().pk
    for stranger in (LinkTarget(client.pk, number, "eve@books.example"), LinkTarget(other.pk, number, BOB)):
        token = make_token(VIEW_IN_BROWSER, *stranger).decode()
        assert browser.get(f"/v/{token}").status_code == 404
    assert browser.get(mail.link("v")).status_code == 200


def test_what_is_no_link_of_ours_looks_the_same_whatever_is_wrong(browser: Browser) -> None:
    client = make_client()
    mail = Mail(started(client, HTML, BOB))
    token = mail.unsubscribe.rpartition("/")[2]
    nobodys = make_token(UNSUBSCRIBE, 4_000_000_000, 1, BOB).decode()
    answers = set()
    for wrong in (token[:-1], f"{token}A", "x", "%00", "é", "A" * 3000, nobodys, mail.link("v").rpartition("/")[2]):
        for path in ("u", "subscribe-again"):
            for method in ("GET", "POST"):
                answer = browser.generic(method, f"/{path}/{wrong}")
                answers.add((answer.status_code, answer.content))
    answers.add((404, browser.get(f"/v/{token}").content))
    assert len(answers) == 1
    status, content = answers.pop()
    assert status == 404 and PHRASES["de"].not_found in content.decode()
    assert not OptOut.objects.exists()


def test_the_browser_shows_the_message_as_it_was_sent_and_runs_nothing_of_it(browser: Browser) -> None:
    client = make_client()
    set_footer(client, postal_address="1 Main St", language="fr")
    campaign = started(client, HTML, BOB)
    mail = Mail(campaign)
    set_footer(client, postal_address="2 Other St", adds_footer=False)
    shown = browser.get(mail.link("v"))
    assert shown.content.decode() == mail.texts[1].replace("\r\n", "\n")[:-1]
    assert "1 Main St" in mail.texts[0] and "1 Main St" in mail.texts[1] and "Se désabonner" in mail.texts[0]
    policy = shown.headers["Content-Security-Policy"]
    assert "sandbox allow-popups" in policy and "allow-scripts" not in policy and "allow-same-origin" not in policy
    assert "default-src 'none'" in policy and "script-src" not in policy
    assert registry.find_optout(client, BOB) is None


def test_a_text_message_is_shown_as_text(browser: Browser) -> None:
    client = make_client()
    set_footer(client, adds_footer=False)
    mail = Mail(started(client, "a < b & {{ city }}\n{{ view_in_browser_url }}", BOB))
    assert len(mail.texts) == 1
    shown = browser.get(mail.link("v")).content.decode()
    assert "a &lt; b &amp; Köln\n" in shown and f'href="https://mail.example{mail.link("v")}"' in shown
    assert "unsubscribe" not in shown.lower() and "/u/" not in mail.texts[0]


def test_headers_keep_links_private(browser: Browser) -> None:
    mail = Mail(started(make_client(), HTML, BOB))
    for answer in (browser.get(mail.unsubscribe), browser.get(mail.link("v")), browser.get("/u/x")):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "noindex" in answer.headers["X-Robots-Tag"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    page = browser.get(mail.unsubscribe)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "<script" not in page.content.decode() and " style=" not in page.content.decode()
    sheet = re.search(r'href="\.\.(/static/[^"]+)"', page.content.decode())
    assert sheet and browser.get(sheet[1]).status_code == 200


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language(browser: Browser, language: str) -> None:
    mail = Mail(started(make_client(), HTML, BOB))
    for header in (f"xx, {language}-XX;q=0.8", language.upper()):
        shown = browser.get(mail.unsubscribe, headers={"Accept-Language": header}).content.decode()
        assert f'<html lang="{language}">' in shown and f">{PHRASES[language].unsubscribe}</button>" in shown.replace(
            "&#x27;", "'"
        )


def test_a_browser_without_a_language_of_ours_gets_the_clients(browser: Browser) -> None:
    client = make_client()
    set_footer(client, language="pl")
    mail = Mail(started(client, HTML, BOB))
    for header in ("", "tlh", "*", ";;q=", "," * 5000):
        assert 'lang="pl"' in browser.get(mail.unsubscribe, headers={"Accept-Language": header}).content.decode()


def test_without_a_database_nobody_is_told_that_it_is_done(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    mail = Mail(started(make_client(), HTML, BOB))

    def locked(*_: object, **__: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(views.registry, "opt_out_by_link", locked)
    answer = browser.post(mail.unsubscribe)
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "60"
    assert PHRASES["de"].try_again in answer.content.decode()


def test_columns_named_like_links_do_not_lead_readers_elsewhere(browser: Browser) -> None:
    client = make_client()
    campaign = started(client, "{{ unsubscribe_url }} {{ unsubscribe_url_2 }} {{ view_in_browser_url }}", BOB)
    columns = {"unsubscribe_url": "https://evil.example", "View_In_Browser_URL": "https://evil.example/2"}
    Delivery.objects.update(fields=json.dumps(columns))
    (text,) = Mail(campaign).texts
    assert re.fullmatch(
        r"https://mail.example/u/[\w-]+ https://evil.example https://mail.example/v/[\w-]+", text.strip()
    )


def test_who_opted_out_by_link_is_not_mailed_by_the_next_campaign(browser: Browser) -> None:
    client = make_client()
    browser.post(Mail(started(client, HTML, BOB)).unsubscribe)
    campaign = started(client, HTML, BOB.upper(), "ada@books.example")
    chunk = Chunk.objects.get(campaign=campaign)
    states = dict(Delivery.objects.filter(pk__gte=chunk.pk << 10).values_list("email", "state"))
    assert states == {BOB.upper(): State.OPTOUT, "ada@books.example": State.QUEUED}


def test_the_footers_settings_are_checked() -> None:
    client = make_client()
    for wrong in ("\n".join("123456789"), "a" * 501, "a\x07b"):
        with pytest.raises(InvalidField, match="postal_address"):
            set_footer(client, postal_address=wrong)
    with pytest.raises(InvalidField, match="language"):
        set_footer(client, language="tlh")
    set_footer(client, postal_address=" Books \r\n 1 Main St\n")
    client.refresh_from_db()
    assert (client.postal_address, client.adds_footer, client.language) == ("Books\n1 Main St", True, "en")
