"""Server time of the dashboard's pages with a large client, and what each transfers.

    .venv/bin/python -m bench.pages [--rows 1000000] [--rounds 5] [--only results]

A client with a group of `rows` contacts, 1 % of them opted out, and a campaign with `rows` results, 2 % of them failed
in runs and one of them unlike all others, in a fresh database: SQLite, or what SENDMILL_DATABASE_URL names (its tables
are filled and left). Each page is asked for through Django's own client, all middlewares included: milliseconds from
the request to the last byte of the answer, the median and the longest of the rounds, and the compressed size. A section
adds its pages to `pages`. Yardstick: the same for the choice of a client, which reads next to nothing.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple

MOST_MS = 100.0
MOST_BYTES = 300_000


class Filled(NamedTuple):
    """What there is to show."""

    campaign_id: str
    group_id: str
    message_id: str
    result_id: str
    last_result_id: str
    rows: int


class Asked(NamedTuple):
    """A page: its name, its path, and what is posted, None for a GET. `is_part`: htmx asks for it."""

    name: str
    path: str
    posted: dict[str, str] | None = None
    is_part: bool = False


def pages(filled: Filled) -> list[Asked]:
    """All that is measured."""
    campaign = f"/campaigns/{filled.campaign_id}/"
    results = f"{campaign}results/"
    group = f"/contacts/{filled.group_id}/"
    person = "person777@example.com"
    source = {"description": "Hi {{ name }}", "email_message": "<p>{{ city }}</p>" * 500, "group": filled.group_id}
    return [
        Asked("clients (reads next to nothing)", "/clients/"),
        Asked("overview", "/"),
        Asked("campaigns", "/campaigns/"),
        Asked("campaigns, searched", "/campaigns/?q=spring&state=sending"),
        Asked("campaign", campaign),
        Asked("campaign, polled", f"{campaign}progress/?seen=sending", is_part=True),
        Asked("results", results),
        Asked("results, last page", f"{results}?after={filled.last_result_id}"),
        Asked("results, common part of an address", f"{results}?q=example.com"),
        Asked("results, rare address", f"{results}?q=nobody.like.this"),
        Asked("results, failed", f"{results}?disposition=failed"),
        Asked("results, rare outcome", f"{results}?disposition=unconfirmed"),
        Asked("results, no such outcome", f"{results}?disposition=invalid"),
        Asked("results, reply's code", f"{results}?reply=552"),
        Asked("results, reply's words", f"{results}?reply=quota+is+used"),
        Asked("result", f"/results/{filled.result_id}/"),
        Asked("result, its message", f"/results/{filled.result_id}/message/"),
        Asked("messages", "/messages/"),
        Asked("message", f"/messages/{filled.message_id}/"),
        Asked("message, preview", "/messages/preview/frame/", source),
        Asked("message, preview by address", "/messages/preview/frame/", {**source, "contact": "person7"}),
        Asked("message, facts", "/messages/preview/", source, is_part=True),
        Asked("draft, message", "/campaigns/new/message/"),
        Asked("draft, people", "/campaigns/new/people/"),
        Asked("draft, schedule", "/campaigns/new/schedule/"),
        Asked("draft, check", "/campaigns/new/check/"),
        Asked("draft, check: counting (in parts)", "/campaigns/new/check/audience/", is_part=True),
        Asked("contacts", "/contacts/"),
        Asked("group", group),
        Asked("group, last page", f"{group}?after={filled.rows - 50}"),
        Asked("group, part of an address", f"{group}?q=person77", is_part=True),
        Asked("group, nobody's address", f"{group}?q=nobody.like.this", is_part=True),
        Asked("person", f"/contacts/person/?email={person}"),
        Asked("person, what was sent (in parts)", f"/contacts/person/sent/?email={person}", is_part=True),
        Asked("opt-outs", "/opt-outs/"),
        Asked("opt-outs, searched", "/opt-outs/?q=person77", is_part=True),
        Asked("senders", "/senders/"),
        Asked("sending domain", "/senders/domains/example.com/"),
        Asked("audit log", "/settings/audit/"),
        Asked("audit log, by somebody and kind", "/settings/audit/?actor=shop+(1a2b3c4d…)&kind=optouts"),
        Asked("audit log, the oldest entry of its kind", "/settings/audit/?kind=tokens"),
        Asked("audit log, the oldest of somebody's", "/settings/audit/?actor=shop+(1a2b3c4d…)&kind=senders"),
    ]


def fill(rows: int) -> tuple[Filled, Any]:
    """Fills the database; also a browser that is signed in."""
    from django.core.management import call_command
    from django.db import connection, transaction
    from django.test import Client as Browser
    from django.utils import timezone

    from sendmill.accounts.models import Client, Membership, Role, User
    from sendmill.campaigns.drafts import begin_draft, set_section, use_group
    from sendmill.campaigns.models import Campaign, Phase
    from sendmill.contacts.fragments import fragment
    from sendmill.contacts.layouts import new_set
    from sendmill.contacts.models import ContactGroup
    from sendmill.contacts.pages import PageWriter
    from sendmill.content.library import add_message
    from sendmill.delivery.chunk_counts import free_chunk
    from sendmill.delivery.clock import now_ms
    from sendmill.delivery.models import Chunk
    from sendmill.ids import KIND_DELIVERY, numbered
    from sendmill.senders.registry import add_sender

    call_command("migrate", verbosity=0)
    client = Client.objects.create(name="Bench", postal_address="1 Main Street")
    user = User.objects.create_user("bench@example.com", None)
    Membership.objects.create(client=client, user=user, role=Role.OWNER)
    now = timezone.now()
    contact_set = new_set()
    owned = {"client": client, "created_on": now, "modified_on": now}
    group = ContactGroup.objects.create(tag="Everybody", contact_set=contact_set, **owned)
    sender = add_sender(client, description="News", email="news@example.com")
    message = add_message(client, description="Hello {{ name }}", email_message="<p>{{ city }}</p>" * 500)
    campaign = Campaign.objects.create(
        contact_group_object_id=group.object_id, sender_object_id=sender.object_id, message_object_id=message.object_id,
        name="Spring", start_wall_clock="2026-01-01 00:00", timezone="Europe/Paris", starts_at=now, expires_at=now,
        phase=Phase.SENDING, frozen_subject=message.description, frozen_body=message.email_message,
        frozen_sender=sender.email, **owned,
    )  # fmt: skip
    at = now_ms()
    writer = PageWriter(contact_set.pk, lambda: None)
    for begin in range(0, rows, 1000):
        keys = [address(n) for n in range(begin, min(begin + 1000, rows))]
        writer.extend(
            keys, [fragment(key, key, key.partition("@")[0], {"city": "Köln", "plan": "gold"}) for key in keys]
        )
    writer.close()
    with connection.cursor() as cursor:
        for begin in range(0, rows, 1000):
            numbers = range(begin, min(begin + 1000, rows))
            with transaction.atomic():
                cursor.executemany(
                    "INSERT INTO optouts_optout (object_id, client_id, email, email_key, source, campaign_object_id,"
                    " created_on, modified_on) VALUES (%s, %s, %s, %s, 'api', '', %s, %s)",
                    [(f"{n:024x}", client.pk, *[address(n)] * 2, now, now) for n in numbers if n % 100 == 0],
                )
                chunk = Chunk.objects.create(campaign=campaign, rows=len(numbers))
                cursor.executemany(
                    "INSERT INTO delivery_delivery (id, email, name, fields, state, attempts, start_ms, modified_ms,"
                    " reply_code, reply, relay) VALUES (%s, %s, %s, %s, %s, 1, %s, %s, %s, %s, 'mx.example.com:25')",
                    [
                        ((chunk.pk << 10) + n - begin, address(n), f"Person {n}", '{"city":"Köln","plan":"gold"}',
                         *outcome(n, rows)[:1], at, at, *outcome(n, rows)[1:])
                        for n in numbers
                    ],
                )  # fmt: skip
                free_chunk(cursor, chunk.pk)
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE")
    fill_audit_log(client, rows)
    draft = begin_draft(client, user)
    set_section(draft, "message", {"source": "reuse", "_id": message.object_id})
    use_group(draft, group.object_id)
    schedule = {"name": "Next", "sender_id": sender.object_id, "timezone": "UTC", "start_date": "2999-01-01 00:00"}
    set_section(draft, "schedule", schedule)
    first, last = (
        numbered(campaign.object_id, KIND_DELIVERY, number)
        for number in (int(chunk.pk - rows // 1000 + 1) << 10, (chunk.pk << 10) + len(numbers) - 51)
    )
    browser = Browser(headers={"accept": "text/html", "accept-encoding": "gzip"})
    browser.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return Filled(campaign.object_id, group.object_id, message.object_id, first, last, rows), browser


def fill_audit_log(client: Any, rows: int) -> None:
    """As many entries as there are contacts: a program has opted addresses out, after two other entries."""
    from django.utils import timezone

    from sendmill.accounts.models import AuditEntry, Kind, Via

    token = "shop (1a2b3c4d…)"
    entry = {"client": client, "actor": token, "token": token, "via": Via.API, "happened_on": timezone.now()}
    AuditEntry.objects.create(**entry, kind=Kind.TOKENS, action="made an API token")
    AuditEntry.objects.create(**entry, kind=Kind.SENDERS, action="added a sender")
    for begin in range(0, rows, 10_000):
        AuditEntry.objects.bulk_create(
            AuditEntry(**entry, kind=Kind.OPTOUTS, action="added an opt-out", subject=address(number))
            for number in range(begin, min(begin + 10_000, rows))
        )


def address(number: int) -> str:
    return f"person{number}@example.com"


def outcome(number: int, rows: int) -> tuple[int, int, str]:
    """State, code and reply: failures come in runs, as they do when one large domain refuses."""
    if number == rows - 2000:
        return 16, 0, "no reply"
    if number % 100_000 >= 98_000:
        return 12, 552, "5.2.2 quota is used up"
    return 10, 250, "2.0.0 Ok: queued"


def measured(browser: Any, asked: Asked, rounds: int) -> tuple[list[float], int]:
    headers = {"HX-Request": "true"} if asked.is_part else {}
    taken = []
    size = 0
    for _ in range(rounds + 1):
        began = time.perf_counter()
        if asked.posted is None:
            answer = browser.get(asked.path, headers=headers)
        else:
            answer = browser.post(asked.path, asked.posted, headers=headers)
        size = len(answer.content)
        taken.append(1000 * (time.perf_counter() - began))
        if answer.status_code >= 300:
            sys.exit(f"{asked.path}: {answer.status_code}")
    return taken[1:], size  # the first reads templates


def main(rows: int, rounds: int, only: str, table: Callable[[str], None] = print) -> None:
    import django

    django.setup()
    began = time.monotonic()
    filled, browser = fill(rows)
    table(f"{rows:,} contacts and results, filled in {time.monotonic() - began:.0f} s\n")
    table("| page | ms, median | longest | bytes | |\n| --- | --- | --- | --- | --- |")
    for asked in pages(filled):
        if only in asked.name:
            taken, size = measured(browser, asked, rounds)
            middle = statistics.median(taken)
            verdict = "" if middle <= MOST_MS and size <= MOST_BYTES else "TOO MUCH"
            table(f"| {asked.name} | {middle:.1f} | {max(taken):.1f} | {size:,} | {verdict} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="pages whose names have this in them")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(SENDMILL_DATA=folder, DJANGO_SETTINGS_MODULE="sendmill.settings")
        main(given.rows, given.rounds, given.only)
