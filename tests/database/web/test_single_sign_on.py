"""OpenID Connect, with a provider that is really asked: who is let in as whom, and who is not."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client as Browser

from sendmill.accounts.models import AuditEntry, User
from tests.database.web.conftest import PASSWORD, text_of
from tests.oidc_provider import Provider, oidc_provider

BEGIN, BACK = "/sign-in/with/oidc/", "/sign-in/with/oidc/back/"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with oidc_provider(django_settings.SENDMILL_PUBLIC_URL + BACK) as running:
        yield running


@pytest.fixture
def configured(settings: Any, provider: Provider) -> Provider:
    use(settings, provider.issuer, provider.client_id, provider.client_secret)
    return provider


def use(settings: Any, issuer: str, client_id: str, secret: str) -> None:
    """As the settings of the environment do."""
    providers = copy.deepcopy(settings.SOCIALACCOUNT_PROVIDERS)
    app = {"provider_id": "oidc", "name": "Company <b>account</b>", "client_id": client_id, "secret": secret}
    app |= {"settings": {"server_url": issuer, "token_auth_method": "client_secret_basic"}}
    providers["openid_connect"]["APPS"] = [app]
    settings.SOCIALACCOUNT_PROVIDERS = providers


def come_back(provider: Provider, subject: str, browser: Browser) -> str:
    """From the button on the sign-in page to what is said at the end."""
    address = browser.get(BEGIN, headers={"host": "elsewhere.test"})["Location"]
    returned = provider.sign_in(address, subject)
    assert returned.startswith(f"{django_settings.SENDMILL_PUBLIC_URL}{BACK}?"), "whatever host the request had named"
    answer = browser.get(returned.removeprefix(django_settings.SENDMILL_PUBLIC_URL), follow=True)
    return text_of(answer.content)


def user_of(browser: Browser) -> str | None:
    """The address of who is signed in."""
    pk = browser.session.get("_auth_user_id")
    return User.objects.get(pk=pk).email if pk else None


def test_somebody_known_signs_in_as_themselves(configured: Provider, zoe: User, anonymous: Browser) -> None:
    page = anonymous.get("/sign-in/").content.decode()
    assert "Sign in with Company &lt;b&gt;account" in page and f'href="{BEGIN}' in page
    configured.knows("of-zoe", email="Zoe@Acme.test", email_verified=True)
    assert "Overview" in come_back(configured, "of-zoe", anonymous)
    assert user_of(anonymous) == zoe.email

    # Another day, with another address there: the provider's own id counts.
    configured.knows("of-zoe", email="zoe@elsewhere.test", email_verified=True)
    again = Browser()
    come_back(configured, "of-zoe", again)
    assert user_of(again) == zoe.email
    password = Browser()
    password.post("/sign-in/", {"login": zoe.email, "password": PASSWORD})
    assert user_of(password) == zoe.email, "the password is still there"
    acts = AuditEntry.objects.filter(client=None, actor=zoe.email).order_by("pk").values_list("action", flat=True)
    assert list(acts) == ["connected single sign-on", "signed in", "signed in", "signed in"]


@pytest.mark.parametrize("claims", [{}, {"email_verified": False}, {"email_verified": "false"}])
def test_an_address_that_is_not_verified_opens_nobodys_account(
    configured: Provider, zoe: User, anonymous: Browser, claims: dict[str, Any]
) -> None:
    configured.knows("a-forger", email=zoe.email, **claims)
    assert "Nobody has invited you yet" in come_back(configured, "a-forger", anonymous)
    assert user_of(anonymous) is None
    assert not zoe.socialaccount_set.exists()


def test_who_is_unknown_or_deactivated_is_told_so(configured: Provider, zoe: User, anonymous: Browser) -> None:
    configured.knows("a-stranger", email="stranger@acme.test", email_verified=True)
    assert "Nobody has invited you yet" in come_back(configured, "a-stranger", anonymous)
    assert not User.objects.filter(email="stranger@acme.test").exists()
    configured.knows("of-zoe-too", email=zoe.email, email_verified="true")
    come_back(configured, "of-zoe-too", Browser())
    assert zoe.socialaccount_set.exists()
    User.objects.filter(pk=zoe.pk).update(is_active=False)
    later = Browser()
    assert "deactivated" in come_back(configured, "of-zoe-too", later)
    assert user_of(later) is None


def test_a_person_with_a_second_factor_is_asked_for_it(configured: Provider, zoe: User, anonymous: Browser) -> None:
    from allauth.mfa.totp.internal.auth import TOTP

    TOTP.activate(zoe, "JBSWY3DPEHPK3PXP")
    configured.knows("of-zoe", email=zoe.email, email_verified=True)
    come_back(configured, "of-zoe", anonymous)
    assert user_of(anonymous) is None
    assert anonymous.get("/").status_code == 302


def test_a_link_to_the_provider_does_nothing_but_sign_in(configured: Provider, zoe: User, anonymous: Browser) -> None:
    """Whatever else somebody has put into it."""
    more = "process=connect&scope=admin&auth_params=redirect_uri%3Dhttps%3A%2F%2Fevil.test"
    address = anonymous.get(f"{BEGIN}?next=/campaigns/&{more}")["Location"]
    assert "evil.test" not in address and "admin" not in address
    configured.knows("of-zoe", email=zoe.email, email_verified=True)
    returned = configured.sign_in(address, "of-zoe").removeprefix(django_settings.SENDMILL_PUBLIC_URL)
    assert anonymous.get(returned)["Location"] == "/campaigns/"
    assert user_of(anonymous) == zoe.email


def test_what_goes_wrong_there_is_a_page(configured: Provider, zoe: User, anonymous: Browser, settings: Any) -> None:
    failed = "That sign-in did not work"
    assert failed in text_of(anonymous.get(f"{BACK}?code=guessed&state=guessed").content)
    assert "There is nothing here" in text_of(anonymous.get("/sign-in/with/another/").content)
    address = anonymous.get(BEGIN)["Location"]
    returned = configured.sign_in(address, "of-zoe").removeprefix(django_settings.SENDMILL_PUBLIC_URL)
    use(settings, configured.issuer, configured.client_id, "a wrong secret")
    assert failed in text_of(anonymous.get(returned).content)
    use(settings, f"{configured.issuer}/userinfo", configured.client_id, "no configuration there")
    assert failed in text_of(anonymous.get(BEGIN).content)
    use(settings, "http://localhost:1", configured.client_id, "nobody listens there")
    for path in (BEGIN, returned):
        answer = anonymous.get(path)
        assert failed in text_of(answer.content), path
    assert user_of(anonymous) is None
