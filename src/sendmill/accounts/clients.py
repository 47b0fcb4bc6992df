"""Clients and their first users."""

from typing import NamedTuple

from django.db import IntegrityError, transaction

from sendmill.accounts.models import Client, Membership, Role, User
from sendmill.accounts.names import checked_name
from sendmill.accounts.tokens import issue_token
from sendmill.addresses import InvalidAddress, parse_address
from sendmill.errors import InvalidField, NotFound
from sendmill.ids import parse_object_id
from sendmill.languages import LANGUAGES

MAX_ADDRESS_LINES, MAX_ADDRESS_LENGTH = 8, 500
_OF_NEW_CLIENT = "first"


class NewClient(NamedTuple):
    """A new client, its owner, and a token for it, which is shown this once."""

    client: Client
    user: User
    token: str


def add_client(name: str, email: str, password: str | None = None) -> NewClient:
    """Make a client with an owner who logs in by `email`, and a first token.

    Without a password the owner can't log in; the token works all the same. Raises InvalidField ("name", "email" or
    "password") and has done nothing then.
    """
    name = checked_name(name)
    try:
        address = parse_address(email).lower()
    except InvalidAddress as error:
        raise InvalidField("email", error.reason) from None
    if password == "":
        raise InvalidField("password", "may not be empty.")
    try:
        with transaction.atomic():
            client = Client.objects.create(name=name)
            user = User.objects.create_user(address, password)
            Membership.objects.create(client=client, user=user, role=Role.OWNER)
            return NewClient(client, user, issue_token(client, user, _OF_NEW_CLIENT))
    except IntegrityError:
        raise InvalidField("email", "A user with this email address exists already.") from None


def make_client(name: str) -> Client:
    """A client that nobody belongs to yet. Raises InvalidField("name")."""
    return Client.objects.create(name=checked_name(name))


def rename(client: Client, name: str) -> None:
    """Give the client another name. Raises InvalidField("name")."""
    client.name = checked_name(name)
    client.save(update_fields=["name"])


def set_footer(
    client: Client,
    *,
    adds_footer: bool | None = None,
    postal_address: str | None = None,
    language: str | None = None,
) -> None:
    """Set what is given of the footer that messages get; campaigns that have started keep theirs.

    Raises InvalidField ("postal_address" or "language").
    """
    if adds_footer is not None:
        client.adds_footer = adds_footer
    if postal_address is not None:
        client.postal_address = _checked_postal_address(postal_address)
    if language is not None:
        if language not in LANGUAGES:
            raise InvalidField("language", f"Must be one of {', '.join(LANGUAGES)}.")
        client.language = language
    client.save(update_fields=["adds_footer", "postal_address", "language"])


def find_client(object_id: str) -> Client:
    """The client with this id. Raises NotFound."""
    client = Client.objects.filter(object_id=parse_object_id(object_id)).first()
    if client is None:
        raise NotFound("There is no such client.")
    return client


def client_of(user: User) -> Client | None:
    """The client that a login is for: the one the user has belonged to longest, None without any."""
    membership = Membership.objects.filter(user=user).select_related("client").order_by("pk").first()
    return membership.client if membership else None


def _checked_postal_address(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(lines) > MAX_ADDRESS_LINES or len(text) > MAX_ADDRESS_LENGTH:
        raise InvalidField(
            "postal_address", f"may have no more than {MAX_ADDRESS_LINES} lines and {MAX_ADDRESS_LENGTH} characters."
        )
    if not all(line.isprintable() for line in lines):
        raise InvalidField("postal_address", "may not have control characters.")
    return "\n".join(lines)
