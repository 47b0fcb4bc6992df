"""What a user may do for which client: members by their role, operators everything."""

from enum import IntEnum

from django.db.models import QuerySet

from sendmill.accounts.models import Client, Membership, Role, User
from sendmill.ids import parse_object_id


class Access(IntEnum):
    """How far somebody may go; each step has all that is before it."""

    ANYONE = 0
    SIGNED_IN = 1
    VIEWER = 2
    EDITOR = 3
    OWNER = 4
    OPERATOR = 5


_OF_ROLE = {Role.VIEWER: Access.VIEWER, Role.EDITOR: Access.EDITOR, Role.OWNER: Access.OWNER}


def access_to(client: Client, user: User) -> Access:
    """SIGNED_IN for one who is no member, ANYONE for one who is deactivated."""
    if not user.is_active:
        return Access.ANYONE
    if user.is_operator:
        return Access.OPERATOR
    role = Membership.objects.filter(client=client, user=user).values_list("role", flat=True).first()
    return _OF_ROLE[Role(role)] if role else Access.SIGNED_IN


def clients_of(user: User) -> QuerySet[Client]:
    """The clients that a user may look at, by name. An operator's are all."""
    if not user.is_active:
        return Client.objects.none()
    clients = Client.objects.order_by("name", "pk")
    return clients if user.is_operator else clients.filter(memberships__user=user)


def chosen_client(user: User, object_id: str) -> Client | None:
    """The client with this id, if the user may look at it; else the first that they belong to, and for an operator who
    belongs to none the first of all; None if there is none."""
    clients = clients_of(user)
    chosen = clients.filter(object_id=parse_object_id(object_id)).first()
    return chosen or clients.filter(memberships__user=user).first() or clients.first()
