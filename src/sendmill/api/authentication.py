"""`Authorization: Token <40 hex>`, as Django REST framework's own scheme has it, and what a token's holder may do."""

from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from sendmill.accounts.models import ApiToken, Client, Role, User
from sendmill.accounts.tokens import authenticate_token, role_in

if TYPE_CHECKING:  # the settings name this module, and views import what they name
    from rest_framework.views import APIView

_SCHEME = "Token"


class TokenAuthentication(BaseAuthentication):
    """Sets `request.auth` to the ApiToken. A token that belongs to no user gets an anonymous `request.user`."""

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, ApiToken] | None:
        scheme, *parts = get_authorization_header(request).split() or [b""]
        if scheme.lower() != _SCHEME.lower().encode():
            return None
        if not parts:
            raise exceptions.AuthenticationFailed("Invalid token header. No credentials provided.")
        if len(parts) > 1:
            raise exceptions.AuthenticationFailed("Invalid token header. Token string should not contain spaces.")
        token = authenticate_token(parts[0].decode("latin-1"))
        if token is None:
            raise exceptions.AuthenticationFailed("Invalid token.")
        return token.user or AnonymousUser(), token

    def authenticate_header(self, request: Request) -> str:
        return _SCHEME


class HasToken(BasePermission):
    """Everybody with a token may read; who is only a viewer may not write."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        token = request.auth
        if not isinstance(token, ApiToken):
            return False
        if request.method in SAFE_METHODS or token.user is None:
            return True
        return role_in(token.client, token.user) != Role.VIEWER


def client_of(request: Request) -> Client:
    """The client that the request's token belongs to."""
    assert isinstance(request.auth, ApiToken), "HasToken let it through"
    return request.auth.client
