"""OpenID Connect: django-allauth's provider, told what is ours. The settings and `account_routes` name what is here."""

from typing import Any

import structlog
from allauth.account.models import EmailAddress
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from requests import RequestException

from sendmill.accounts.models import User
from sendmill.errors import NotFound

log = structlog.get_logger()


class Endpoints(OpenIDConnectOAuth2Adapter):  # type: ignore[misc] # allauth ships no type information
    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        """Below the public address, which the provider knows: behind a proxy the request has another."""
        path = reverse("openid_connect_callback", kwargs={"provider_id": self.provider_id})
        return f"{settings.SENDMILL_PUBLIC_URL}{path}"


class Provider(OpenIDConnectProvider):  # type: ignore[misc] # as above
    oauth2_adapter_class = Endpoints

    def extract_email_addresses(self, data: dict[str, Any]) -> list[EmailAddress]:
        """Some providers say `email_verified` in a text, where "false" is not False."""
        found: list[EmailAddress] = super().extract_email_addresses(data)
        for address in found:
            address.verified = address.verified in (True, "true")
        return found


class SingleSignOnAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc] # as above
    """Lets in those who are users already; it makes nobody one."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Who comes that way for the first time is known by an address that the provider has verified, and from then on
        by the provider's own id for them. allauth would do this too, and make their password unusable."""
        if sociallogin.is_existing:
            return
        verified = [address.email.lower() for address in sociallogin.email_addresses if address.verified]
        user = User.objects.filter(email__in=verified, is_active=True).first()
        if user is not None:
            sociallogin.connect(request, user)

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, error: Any = None, exception: Any = None, extra_context: Any = None
    ) -> None:
        """The page says that it failed; why is for the log."""
        log.error("single_sign_on.failed", error=str(exception or error))


def begin(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Off to the provider. Of the query only where to go on afterwards counts: allauth would take parameters for the
    provider from it, too, and other things to do than to sign in, which have no pages here."""
    wanted = QueryDict(mutable=True)
    wanted.setlist("next", request.GET.getlist("next"))
    request.GET = wanted  # type: ignore[assignment] # it is only ever read
    return _with_provider(request, provider_id, OAuth2LoginView)


def come_back(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Back from the provider, with who it is."""
    return _with_provider(request, provider_id, OAuth2CallbackView)


def _with_provider(
    request: HttpRequest, provider_id: str, view: type[OAuth2LoginView] | type[OAuth2CallbackView]
) -> HttpResponse:
    try:
        response: HttpResponse = view.adapter_view(Endpoints(request, provider_id))(request)
    except SocialApp.DoesNotExist:
        raise NotFound("There is no such way to sign in here.") from None
    except (OAuth2Error, RequestException, KeyError) as error:  # KeyError: its answer lacks what it has to have
        log.error("single_sign_on.failed", error=f"{type(error).__name__}: {error}")
        return render(request, "socialaccount/authentication_error.html", status=502)
    return response
