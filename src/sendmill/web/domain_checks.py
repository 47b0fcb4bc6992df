"""What DNS says of a domain that a client sends from, for pages."""

from django.conf import settings

from sendmill.accounts.models import Client
from sendmill.delivery.relays import parse_relays
from sendmill.senders.dns_lookup import Dns
from sendmill.senders.dns_records import RecordCheck, check_domain


def checks_of_domain(client: Client, domain: str) -> list[RecordCheck]:
    """DNS is asked, which may take seconds. Of the mail servers those count that take this client's mail."""
    relays = parse_relays(settings.SENDMILL_SMTP_URL)
    hosts = [
        relay.host
        for relay in relays
        if relay.kind == "smtp" and (not relay.clients or client.object_id in relay.clients)
    ]
    return check_domain(domain, client, hosts, Dns(settings.SENDMILL_DNS_SERVERS))
