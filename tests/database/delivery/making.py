"""A started campaign with contacts, for tests of the queue."""

from collections.abc import Callable, Iterable

from django.utils import timezone

from sendmill.accounts.models import Client
from sendmill.addresses import address_key
from sendmill.campaigns import lifecycle
from sendmill.campaigns.models import Campaign
from sendmill.contacts.models import Contact, ContactGroup
from sendmill.delivery import expand
from sendmill.delivery.clock import now_ms
from sendmill.optouts.models import OptOut
from tests.database.campaigns.making import make_campaign, make_client, make_group
from tests.database.contacts.making import fill as make_contacts

LEASE_MS = 30_000


def addresses(count: int) -> list[str]:
    return [f"person{number}@example.com" for number in range(count)]


def fill_group(group: ContactGroup, emails: Iterable[str]) -> None:
    make_contacts(group, [(email, f"Name of {email}", {"city": "Köln"}) for email in emails])


def fill_group_with_rows(group: ContactGroup, emails: Iterable[str]) -> None:
    """The same in the layout of version 0.1.0."""
    Contact.objects.bulk_create(
        Contact(
            contact_set=group.contact_set,
            email=email,
            email_key=address_key(email),
            name=f"Name of {email}",
            fields='{"city":"Köln"}',
        )
        for email in emails
    )


def opt_out(client: Client, email: str) -> None:
    now = timezone.now()
    OptOut.objects.create(client=client, email=email, email_key=address_key(email), created_on=now, modified_on=now)


def started_campaign(
    emails: Iterable[str],
    client: Client | None = None,
    fill: Callable[[ContactGroup, Iterable[str]], None] = fill_group,
) -> Campaign:
    """A campaign that has started and is about to be expanded."""
    client = client or make_client()
    group = make_group(client)
    fill(group, emails)
    campaign = make_campaign(client, contact_group_object_id=group.object_id)
    started = lifecycle.start(campaign.pk, timezone.now())
    assert started is not None
    return started


def expand_fully(campaign: Campaign, rows: int = 1000) -> None:
    while expand.expand_step(campaign.pk, now_ms(), rows):
        pass


def expanded_campaign(count: int, rows: int = 1000, client: Client | None = None) -> Campaign:
    campaign = started_campaign(addresses(count), client)
    expand_fully(campaign, rows)
    return campaign
