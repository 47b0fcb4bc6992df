"""Pages of django-allauth, for a person's own account: it asks for these names. `web/routes.py` has all other pages."""

from allauth.account import views as account
from allauth.mfa.base import views as second_factor
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as webauthn
from allauth.socialaccount import views as social_account
from django.urls import path, register_converter

from sendmill.accounts.access import Access
from sendmill.web import single_sign_on
from sendmill.web.guard import Route, guarded

ANYONE, SIGNED_IN = Access.ANYONE, Access.SIGNED_IN


class Base36:
    """A user's id in a link to reset a password."""

    regex = "[0-9A-Za-z]+"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(Base36, "base36")

ROUTES = (
    Route("sign-in/", account.login, "account_login", read=ANYONE, write=ANYONE),
    Route("sign-in/second-factor/", second_factor.authenticate, "mfa_authenticate", read=ANYONE, write=ANYONE),
    Route("sign-in/passkey/", webauthn.login_webauthn, "mfa_login_webauthn", read=ANYONE, write=ANYONE),
    Route("sign-out/", account.logout, "account_logout", write=ANYONE),
    Route("sign-in/inactive/", account.account_inactive, "account_inactive", read=ANYONE),
    #
    # A new password by mail
    Route("password/", account.password_reset, "account_reset_password", read=ANYONE, write=ANYONE),
    Route("password/sent/", account.password_reset_done, "account_reset_password_done", read=ANYONE),
    Route(
        "password/<base36:uidb36>-<str:key>/", account.password_reset_from_key, "account_reset_password_from_key",
        read=ANYONE, write=ANYONE,
    ),
    Route(
        "password/set/", account.password_reset_from_key_done, "account_reset_password_from_key_done", read=ANYONE
    ),
    #
    # OpenID Connect
    Route("sign-in/with/<slug:provider_id>/", single_sign_on.begin, "openid_connect_login", read=ANYONE),
    Route("sign-in/with/<slug:provider_id>/back/", single_sign_on.come_back, "openid_connect_callback", read=ANYONE),
    Route("sign-in/cancelled/", social_account.login_cancelled, "socialaccount_login_cancelled", read=ANYONE),
    Route("sign-in/failed/", social_account.login_error, "socialaccount_login_error", read=ANYONE),
    Route("sign-in/unknown/", social_account.signup, "socialaccount_signup", read=ANYONE),
    #
    # One's own account
    Route(
        "account/password/", account.password_change, "account_change_password", read=SIGNED_IN, write=SIGNED_IN
    ),
    Route(
        "account/password/first/", account.password_set, "account_set_password", read=SIGNED_IN, write=SIGNED_IN
    ),
    Route("account/confirm/", account.reauthenticate, "account_reauthenticate", read=SIGNED_IN, write=SIGNED_IN),
    Route(
        "account/confirm/code/", second_factor.reauthenticate, "mfa_reauthenticate", read=SIGNED_IN, write=SIGNED_IN
    ),
    Route(
        "account/confirm/key/", webauthn.reauthenticate_webauthn, "mfa_reauthenticate_webauthn",
        read=SIGNED_IN, write=SIGNED_IN,
    ),
    Route("account/security/", second_factor.index, "mfa_index", read=SIGNED_IN),
    Route("account/security/app/", totp.activate_totp, "mfa_activate_totp", read=SIGNED_IN, write=SIGNED_IN),
    Route(
        "account/security/app/remove/", totp.deactivate_totp, "mfa_deactivate_totp", read=SIGNED_IN, write=SIGNED_IN
    ),
    Route("account/security/keys/", webauthn.list_webauthn, "mfa_list_webauthn", read=SIGNED_IN),
    Route("account/security/keys/add/", webauthn.add_webauthn, "mfa_add_webauthn", read=SIGNED_IN, write=SIGNED_IN),
    Route(
        "account/security/keys/<int:pk>/", webauthn.edit_webauthn, "mfa_edit_webauthn",
        read=SIGNED_IN, write=SIGNED_IN,
    ),
    Route(
        "account/security/keys/<int:pk>/remove/", webauthn.remove_webauthn, "mfa_remove_webauthn",
        read=SIGNED_IN, write=SIGNED_IN,
    ),
    Route("account/security/codes/", recovery_codes.view_recovery_codes, "mfa_view_recovery_codes", read=SIGNED_IN),
    Route(
        "account/security/codes/new/", recovery_codes.generate_recovery_codes, "mfa_generate_recovery_codes",
        read=SIGNED_IN, write=SIGNED_IN,
    ),
    Route(
        "account/security/codes/file/", recovery_codes.download_recovery_codes, "mfa_download_recovery_codes",
        read=SIGNED_IN,
    ),
)  # fmt: skip

urlpatterns = [path(route.path, guarded(route), name=route.name) for route in ROUTES]
