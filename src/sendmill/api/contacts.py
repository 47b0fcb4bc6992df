"""`/email/contact/`: contact groups, whose contacts are streamed. Bulk calls are in `imports`."""

import time
from collections.abc import Iterator
from typing import Any

from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request

from sendmill.accounts.models import Client
from sendmill.accounts.resources import find, pages
from sendmill.api.authentication import client_of
from sendmill.api.openapi import describe_resource
from sendmill.api.requests import Text, requested_id, window
from sendmill.api.resources import ResourceView, ids_of, times_of
from sendmill.api.streaming import array_of_rows, array_of_streams, object_with_array, stream_answer
from sendmill.campaigns.lifecycle import Part
from sendmill.contacts import groups
from sendmill.contacts.fragments import StoredContact
from sendmill.contacts.models import ContactGroup

_GROUPS_A_PAGE = 200
_PAGE_IS_STALE_AFTER_SECONDS = 10.0


class ContactGroupBody(serializers.Serializer[Any]):
    tag = Text(help_text="A friendly name for your contact group.")


@describe_resource("ContactGroup", "contact group", ContactGroupBody, needed=True, put_shows=True)
class ContactGroupView(ResourceView[ContactGroup]):
    model = ContactGroup
    noun = "a contact group"
    body = ContactGroupBody
    part = Part.CONTACT_GROUP

    def get(self, request: Request) -> HttpResponseBase:
        client = client_of(request)
        object_id = requested_id(request)
        if object_id is not None:
            return stream_answer(request, _with_contacts(find(ContactGroup, client, object_id)))
        after, limit = window(request, ContactGroup, client)
        return stream_answer(request, array_of_streams(_with_contacts(group) for group in _fresh(client, after, limit)))

    def put(self, request: Request) -> HttpResponseBase:
        """Unlike the other resources' PUT it is answered with the whole object."""
        return stream_answer(request, _with_contacts(self.updated(request)))

    def shape(self, row: ContactGroup) -> dict[str, Any]:
        """A new group, which is the only one that is not streamed."""
        return {**_head(row), "contacts": [], **times_of(row)}

    def add(self, client: Client, fields: dict[str, Any]) -> ContactGroup:
        return groups.add_group(client, **fields)

    def change(self, client: Client, object_id: str, fields: dict[str, Any]) -> ContactGroup:
        return groups.rename_group(client, object_id, **fields)

    def remove(self, client: Client, object_id: str) -> None:
        groups.delete_group(client, object_id)


def _with_contacts(group: ContactGroup) -> Iterator[bytes]:
    contacts = array_of_rows(groups.contact_pages(group.contact_set_id), _shown)
    return object_with_array(_head(group), "contacts", contacts, times_of(group))


def _shown(contact: StoredContact) -> dict[str, str]:
    return {"name": contact[1], "email": contact[0]}


def _head(group: ContactGroup) -> dict[str, Any]:
    return {**ids_of(group), "tag": group.tag}


def _fresh(client: Client, after: int, limit: int | None) -> Iterator[ContactGroup]:
    """The groups, each of them read from the database not long before it comes: while the contacts of one are
    streamed to a slow client, the next ones may be pointed at other contact sets, and the old ones purged."""
    left = limit
    while left is None or left > 0:
        read_at = time.monotonic()
        page = next(pages(ContactGroup, client, after=after, limit=left, page_rows=_GROUPS_A_PAGE), [])
        if not page:
            return
        for group in page:
            if time.monotonic() - read_at > _PAGE_IS_STALE_AFTER_SECONDS:
                break
            yield group
            after = group.pk
            left = None if left is None else left - 1
