"""The people of a client: inviting them, their roles, and the link that makes the first owner."""

import hashlib
import secrets
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from sendmill.accounts.clients import add_client
from sendmill.accounts.models import Client, Invitation, Membership, Role, User
from sendmill.addresses import InvalidAddress, parse_address
from sendmill.errors import Conflict, InvalidField, NotFound

INVITATION_LASTS = timedelta(days=7)
_FIRST_LINK_LASTS = timedelta(days=1)
_GONE = "This link has been used, withdrawn, or is too old."


def invite(client: Client, email: str, role: Role, invited_by: User) -> str:
    """The token of a link with which the person at `email` becomes a member; an earlier one of theirs stops working.

    Raises InvalidField("email"), also for one who is a member already.
    """
    try:
        address = parse_address(email.strip()).lower()
    except InvalidAddress as error:
        raise InvalidField("email", error.reason) from None
    if Membership.objects.filter(client=client, user__email=address).exists():
        raise InvalidField("email", "is a member already.")
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        Invitation.objects.filter(client=client, email=address).delete()
        Invitation.objects.create(
            client=client, email=address, role=role, digest=_digest(token), invited_by=invited_by,
            expires_on=timezone.now() + INVITATION_LASTS,
        )  # fmt: skip
    return token


def first_owner_token() -> str | None:
    """The token of a link that makes the first client and its owner; None once there is a user. The last one counts."""
    if User.objects.exists():
        return None
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        Invitation.objects.filter(client=None).delete()
        Invitation.objects.create(digest=_digest(token), expires_on=timezone.now() + _FIRST_LINK_LASTS)
    return token


def find_invitation(token: str) -> Invitation:
    """The invitation that a link's token is for. Raises NotFound."""
    found = Invitation.objects.select_related("client").filter(digest=_digest(token)).first()
    if found is None or found.expires_on <= timezone.now() or (found.client is None and User.objects.exists()):
        raise NotFound(_GONE)
    return found


def accept_first(invitation: Invitation, client_name: str, email: str, password: str) -> User:
    """Make the first client, its owner and operator. Raises InvalidField ("name", "email") and NotFound."""
    with transaction.atomic():
        _use(invitation)
        made = add_client(client_name, email, password)
        made.client.tokens.all().delete()  # nobody has seen it
        made.user.is_superuser = True
        made.user.save(update_fields=["is_superuser"])
    return made.user


def accept_as_new(invitation: Invitation, password: str) -> User:
    """Make a user of who was invited, and a member. Raises NotFound, and Conflict if the address has one."""
    assert invitation.client is not None
    try:
        with transaction.atomic():
            _use(invitation)
            user = User.objects.create_user(invitation.email, password)
            Membership.objects.create(client=invitation.client, user=user, role=invitation.role)
    except IntegrityError:
        raise Conflict("There is a user with this address already: sign in first, then follow the link.") from None
    return user


def accept(invitation: Invitation, user: User) -> None:
    """Make the user a member. Raises NotFound; Conflict if they are another person than was invited."""
    assert invitation.client is not None
    if user.email != invitation.email:
        raise Conflict(f"This invitation is for {invitation.email}, and you are signed in as {user.email}.")
    with transaction.atomic():
        _use(invitation)
        Membership.objects.update_or_create(client=invitation.client, user=user, defaults={"role": invitation.role})


def withdraw(client: Client, invitation_id: int) -> str:
    """Take an invitation back; whose it was. Raises NotFound."""
    found = Invitation.objects.filter(client=client, pk=invitation_id).first()
    if found is None:
        raise NotFound("There is no such invitation.")
    found.delete()
    return found.email


@transaction.atomic
def change_role(client: Client, membership_id: int, role: str) -> Membership:
    """Give a member another role. Raises NotFound, InvalidField("role"); Conflict if no owner would be left."""
    membership = _member(client, membership_id)
    if role not in Role.values:
        raise InvalidField("role", f"must be one of {', '.join(Role.values)}.")
    if role != Role.OWNER:
        _keep_an_owner(client, membership)
    membership.role = Role(role)
    membership.save(update_fields=["role"])
    return membership


@transaction.atomic
def remove(client: Client, membership_id: int) -> User:
    """End a membership, and the person's tokens of this client. Raises NotFound and Conflict as `change_role` does."""
    membership = _member(client, membership_id)
    _keep_an_owner(client, membership)
    membership.user.tokens.filter(client=client).delete()
    membership.delete()
    return membership.user


def _member(client: Client, membership_id: int) -> Membership:
    # All rows of the client, in order: two owners who remove each other at once must not both succeed.
    rows = Membership.objects.select_for_update().filter(client=client).select_related("user").order_by("pk")
    found = next((row for row in rows if row.pk == membership_id), None)
    if found is None:
        raise NotFound("There is no such member.")
    return found


def _keep_an_owner(client: Client, membership: Membership) -> None:
    others = Membership.objects.filter(client=client, role=Role.OWNER, user__is_active=True).exclude(pk=membership.pk)
    if membership.role == Role.OWNER and not others.exists():
        raise Conflict(f"{membership.user.email} is the only owner. Make somebody else an owner first.")


def _use(invitation: Invitation) -> None:
    """Once only, whoever comes at the same time."""
    deleted, _ = Invitation.objects.filter(pk=invitation.pk).delete()
    if not deleted:
        raise NotFound(_GONE)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
