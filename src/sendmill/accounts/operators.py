"""What operators do to people: end and begin their access everywhere, and make other operators."""

from django.db import transaction

from sendmill.accounts.models import Client, Membership, Role, User
from sendmill.errors import Conflict, InvalidField, NotFound


@transaction.atomic
def deactivate(user_id: int, by: User) -> User:
    """End what a user can do, for all clients, at once: sessions from before don't come back with them, and their own
    API tokens are deleted. Raises NotFound; Conflict for oneself, and if a client would be left without an owner."""
    if user_id == by.pk:
        raise Conflict("You can't deactivate yourself. Another operator can.")
    user = _find(user_id)
    if user.is_operator:
        _keep_an_operator(user)
    _keep_owners(user)
    user.is_active = False
    user.deactivations += 1
    user.save(update_fields=["is_active", "deactivations"])
    user.tokens.all().delete()
    return user


@transaction.atomic
def reactivate(user_id: int) -> User:
    """Let a user sign in again, with the roles that they had. Raises NotFound."""
    user = _find(user_id)
    user.is_active = True
    user.save(update_fields=["is_active"])
    return user


@transaction.atomic
def make_operator(email: str) -> User:
    """Put a user above all clients. Raises InvalidField("email")."""
    user = User.objects.select_for_update().filter(email=email.strip().lower()).first()
    if user is None:
        raise InvalidField("email", "Nobody signs in with this address. Invite them to a client first.")
    if not user.is_active:
        raise InvalidField("email", "is deactivated. Reactivate them first.")
    user.is_superuser = True
    user.save(update_fields=["is_superuser"])
    return user


@transaction.atomic
def end_operator(user_id: int) -> User:
    """Leave an operator what their memberships allow. Raises NotFound; Conflict if no operator would be left."""
    user = _find(user_id)
    _keep_an_operator(user)
    user.is_superuser = False
    user.save(update_fields=["is_superuser"])
    return user


def _find(user_id: int) -> User:
    found = User.objects.filter(pk=user_id).first()
    if found is None:
        raise NotFound("There is no such person.")
    return found


def _keep_an_operator(user: User) -> None:
    # All of them, in order: two who act on each other at once must not both succeed.
    operators = User.objects.select_for_update().filter(is_superuser=True).order_by("pk")
    if not any(one.is_active for one in operators if one.pk != user.pk):
        raise Conflict(f"{user.email} is the only operator. Make somebody else an operator first.")


def _keep_owners(user: User) -> None:
    owned = list(user.memberships.filter(role=Role.OWNER).values_list("client_id", flat=True))
    # Locks all rows of those clients, in order, as `people.change_role` does; what is read after it is as it stays.
    list(Membership.objects.select_for_update().filter(client_id__in=owned).order_by("pk"))
    owners = Membership.objects.filter(role=Role.OWNER, user__is_active=True).exclude(user=user)
    kept = set(owners.filter(client_id__in=owned).values_list("client_id", flat=True))
    left = Client.objects.filter(pk__in=set(owned) - kept).order_by("name").first()
    if left is not None:
        raise Conflict(f"{user.email} is the only owner of {left.name}. Make somebody else an owner first.")
