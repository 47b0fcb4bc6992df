"""`/auth/api-token-auth/`: a token for a user name and a password. Repeated failures are django-axes' to count."""

from typing import Any

from allauth.mfa.utils import is_mfa_enabled
from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.http import HttpRequest
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sendmill.accounts import audit, lockout
from sendmill.accounts.clients import client_of
from sendmill.accounts.models import Kind, User, Via
from sendmill.accounts.tokens import issue_login_token
from sendmill.api.openapi import answers, reference
from sendmill.api.requests import checked

_REFUSED = {"non_field_errors": ["Unable to log in with provided credentials."]}
_NEEDS_MORE = {"non_field_errors": ["A password alone is not enough. Make an API token in the dashboard's settings."]}


class LoginBody(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=254, help_text="The user's email address.")
    password = serializers.CharField(max_length=4096, trim_whitespace=False)


class LoginView(APIView):
    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="logIn", summary="A token for a user name and a password", tags=["authentication"],
        request=LoginBody, responses=answers({200: reference("Token")}, (400, 411, 413, 415, 429, 503)),
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """A user who is unknown, deactivated or in no client, and a wrong password, all look the same, and take the
        same time: Django hashes a password either way."""
        fields = checked(LoginBody, request)
        username = fields["username"].lower()
        http_request = request._request
        user = authenticate(http_request, username=username, password=fields["password"])
        if getattr(http_request, "axes_locked_out", False):
            raise exceptions.Throttled(wait=lockout.seconds_locked(username, client_address(http_request)))
        client = client_of(user) if isinstance(user, User) else None
        if not isinstance(user, User) or client is None:
            raise serializers.ValidationError(_REFUSED)
        if is_mfa_enabled(user):  # nobody can be asked for a code here, and elsewhere that would protect nothing then
            raise serializers.ValidationError(_NEEDS_MORE)
        # Forgets the failures before it, and notes the time on the user.
        user_logged_in.send(sender=User, request=http_request, user=user)
        with transaction.atomic():
            token = issue_login_token(client, user)
            audit.record(client, audit.person(user, Via.API), Kind.SIGN_IN, "got an API token by password")
        return Response({"token": token, "client_id": client.object_id})


def client_address(request: HttpRequest) -> str | None:
    """Where a request comes from; django-axes' AXES_CLIENT_IP_CALLABLE."""
    return lockout.client_address(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))
