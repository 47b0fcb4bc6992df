"""How people sign in: django-allauth, told what is ours. The settings name these classes."""

from base64 import urlsafe_b64encode
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context as allauth_context
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet, MultiFernet
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from sendmill.accounts import audit
from sendmill.accounts.lockout import client_address, seconds_locked
from sendmill.accounts.models import Kind, User
from sendmill.accounts.tokens import end_logins
from sendmill.addresses import MAX_ADDRESS_OCTETS
from sendmill.secret_key import derived_keys

_EXPIRED_SESSIONS_AT_ONCE = 100
_CHANGES = {
    "password_changed": "changed their password",
    "password_set": "set a password",
    "password_reset": "set a new password by mail",
    "totp_activated": "set up an authenticator app",
    "totp_deactivated": "removed their authenticator app",
    "webauthn_added": "added a security key",
    "webauthn_removed": "removed a security key",
    "recovery_codes_generated": "made new recovery codes",
    "account_connected": "connected single sign-on",
}
"""What the audit log calls them, by the names of allauth's mails."""


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc] # allauth ships no type information
    """Nobody signs up: people are invited. Failures are counted by django-axes, as for the API's login."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """allauth would count failures in the memory of one process."""

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        if getattr(request, "axes_locked_out", False):
            minutes = -(-seconds_locked(credentials.get("email", ""), self.get_client_ip(request)) // 60)
            raise ValidationError(f"Too many failed attempts. Try again in {minutes} min, or ask for a new password.")

    def reauthenticate(self, user: AbstractBaseUser, password: str) -> bool:
        """allauth knows an address only where one was confirmed."""
        assert isinstance(user, User)
        found = self.authenticate(allauth_context.request, email=user.email, password=password)
        return found is not None and found.pk == user.pk

    @transaction.atomic
    def set_password(self, user: AbstractBaseUser, password: str) -> None:
        """Called by allauth for every new one. It ends what the old one opened; of sessions Django sees to it."""
        assert isinstance(user, User)
        super().set_password(user, password)
        end_logins(user)

    def login(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        super().login(request, user)
        _record(user, "signed in")
        # Sessions that have run out lie about until somebody takes them away; whoever comes in takes some.
        expired = Session.objects.filter(expire_date__lt=timezone.now()).values_list("pk", flat=True)
        Session.objects.filter(pk__in=list(expired[:_EXPIRED_SESSIONS_AT_ONCE])).delete()

    def get_client_ip(self, request: HttpRequest) -> str:
        return request_address(request) or "unknown"

    def send_notification_mail(
        self, template_prefix: str, user: AbstractBaseUser, context: dict[str, Any] | None = None, email: str = ""
    ) -> None:
        """Called by allauth for whatever changes how somebody signs in. It goes into the audit log, not by mail."""
        name = template_prefix.rpartition("/")[2]
        _record(user, _CHANGES.get(name, name.replace("_", " ")))

    def is_safe_url(self, url: str | None) -> bool:
        """Only paths of this server are gone on to."""
        return bool(url) and str(url).startswith("/") and not str(url).startswith(("//", "/\\"))


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc] # as above
    """Secrets of second factors are encrypted at rest."""

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _cipher().decrypt(encrypted_text.encode()).decode()


def _record(user: AbstractBaseUser, action: str) -> None:
    """It concerns the person and no client: operators see it."""
    assert isinstance(user, User)
    audit.record(None, audit.person(user), Kind.SIGN_IN, action)


def request_address(request: HttpRequest) -> str | None:
    """Where a request comes from."""
    return client_address(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))


def username_of(request: HttpRequest | None, credentials: dict[str, Any] | None) -> str:
    """Who tries to sign in, for django-axes' AXES_USERNAME_CALLABLE: the API says `username`, allauth `email`.

    Nobody has a longer address, nor has axes' column room for it.
    """
    given = credentials or {}
    return str(given.get("username") or given.get("email") or "").strip().lower()[:MAX_ADDRESS_OCTETS]


def _cipher() -> MultiFernet:
    keys = derived_keys("sendmill second factors", 32)
    return MultiFernet([Fernet(urlsafe_b64encode(key)) for key in keys])
