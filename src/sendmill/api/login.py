"""`/auth/api-token-auth/`: a token for a user name and a password. Repeated failures are django-axes' to count."""

import ipaddress
from datetime import timedelta
from math import ceil
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in
from django.db.models import Max
from django.http import HttpRequest
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sendmill.accounts.clients import client_of
from sendmill.accounts.models import User
from sendmill.accounts.tokens import issue_login_token
from sendmill.api.openapi import answers, reference
from sendmill.api.requests import checked

_REFUSED = {"non_field_errors": ["Unable to log in with provided credentials."]}


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
            raise exceptions.Throttled(wait=_seconds_locked(username, http_request))
        client = client_of(user) if isinstance(user, User) else None
        if not isinstance(user, User) or client is None:
            raise serializers.ValidationError(_REFUSED)
        # Forgets the failures before it, and notes the time on the user.
        user_logged_in.send(sender=User, request=http_request, user=user)
        return Response({"token": issue_login_token(client, user), "client_id": client.object_id})


def client_address(request: HttpRequest) -> str | None:
    """Where a request comes from; django-axes' AXES_CLIENT_IP_CALLABLE.

    Behind a reverse proxy on this machine every connection comes from loopback, and the proxy has put the address it
    saw at the end of X-Forwarded-For. From anywhere else that header is the client's own invention.
    """
    peer = _address(request.META.get("REMOTE_ADDR", ""))
    if peer is None or not peer.is_loopback:
        return str(peer) if peer else None
    forwarded = _address(request.META.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2])
    return str(forwarded or peer)


def _seconds_locked(username: str, request: HttpRequest) -> int:
    failures = AccessAttempt.objects.filter(username=username, ip_address=client_address(request))
    last = failures.aggregate(last=Max("attempt_time"))["last"] or timezone.now()
    cool_off: timedelta = settings.AXES_COOLOFF_TIME
    return max(1, ceil((last + cool_off - timezone.now()).total_seconds()))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip())
    except ValueError:
        return None
