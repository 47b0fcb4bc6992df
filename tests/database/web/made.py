"""What the parameters of the pages' paths name, made for a client: by contacts, opt-outs and senders."""

import io

from sendmill.accounts.models import Client
from sendmill.contacts import groups, import_jobs
from sendmill.contacts.column_choice import Columns
from sendmill.contacts.models import ImportKind
from sendmill.optouts import registry as optouts
from sendmill.people import erasing
from sendmill.senders import dkim_keys, registry
from sendmill.senders.models import DkimKey


def group_id(client: Client) -> str:
    return groups.add_group(client, tag="People").object_id


def import_id(client: Client) -> str:
    file = io.BytesIO(b"email\nann@example.com\n")
    return import_jobs.add_job(client, ImportKind.OPTOUT_ADD, None, file, Columns(0, None)).object_id


def erasure_id(client: Client) -> str:
    return erasing.ask(client, "gone@example.com", requested_by="").object_id


def optout_id(client: Client) -> str:
    return optouts.add_optout(client, email="out@example.com").object_id


def sender_id(client: Client) -> str:
    return registry.add_sender(client, description="News", email=f"news@{domain_of(client)}").object_id


def domain_of(client: Client) -> str:
    return f"{client.name}.test"


def domain(client: Client) -> str:
    sender_id(client)
    return domain_of(client)


def selector(client: Client) -> str:
    if not DkimKey.objects.filter(client=client).exists():
        dkim_keys.add_key(domain_of(client), "sm1", "ed25519", client)
    return "sm1"
