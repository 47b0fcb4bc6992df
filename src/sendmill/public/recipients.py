"""Who stands behind a link's token, and what was sent to them."""

from typing import NamedTuple

import orjson

from sendmill.accounts.models import Client
from sendmill.campaigns.models import Campaign
from sendmill.content.characters import clean_text
from sendmill.content.compile import is_html
from sendmill.content.template import Template, fields_as_variables
from sendmill.content.template_filters import as_html
from sendmill.content.template_reader import read_template
from sendmill.delivery.models import CHUNK_SHIFT, Delivery
from sendmill.delivery.render import link_urls
from sendmill.links import LinkKind, LinkTarget, read_token


class Recipient(NamedTuple):
    """The one a link was made for, and the client whose message it stands in."""

    client: Client
    target: LinkTarget


class ShownMessage(NamedTuple):
    """A message as its recipient has it. `body` is HTML or text."""

    subject: str
    body: str
    is_html: bool


def find_recipient(kind: LinkKind, token: str) -> Recipient | None:
    """Whom the link is for; None for a token that isn't ours, and for a client that is gone."""
    target = read_token(kind, token)
    client = None if target is None else Client.objects.filter(pk=target.client_id).first()
    return None if target is None or client is None else Recipient(client, target)


def campaign_of(recipient: Recipient) -> Campaign | None:
    """The campaign whose message it was, None when that isn't kept any more.

    Numbers of deliveries may be given out again after a backup was restored, so the address has to be the same.
    """
    delivery_id, email = recipient.target.delivery_id, recipient.target.email
    if not Delivery.objects.filter(pk=delivery_id, email=email).exists():
        return None
    return Campaign.objects.filter(client=recipient.client, chunks=delivery_id >> CHUNK_SHIFT).first()


def shown_message(recipient: Recipient) -> ShownMessage | None:
    """The message as it was sent, None when it isn't kept any more. Raises TemplateError and RenderError."""
    campaign = campaign_of(recipient)
    if campaign is None:
        return None
    delivery = Delivery.objects.only("name", "email", "fields").get(pk=recipient.target.delivery_id)
    values = fields_as_variables(delivery.name, delivery.email, orjson.loads(delivery.fields))
    values = {name: clean_text(value) for name, value in values.items()}
    values |= {name: as_html(url) for name, url in link_urls(recipient.target).items()}
    has_html = is_html(campaign.frozen_body)
    subject = Template(read_template(campaign.frozen_subject), escapes_html=False)
    body = Template(read_template(campaign.frozen_body), escapes_html=has_html)
    return ShownMessage(subject.render(values), body.render(values), has_html)
