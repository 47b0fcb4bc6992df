"""Settings: the only reader of the environment, and Django's settings module.

Everything that can be set is one row of `SETTINGS`; a test compares the table with docs/operating.md. A value that
can't be used raises `SettingError`, which the command line prints as one line.
"""

import os
import secrets
import urllib.parse
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

from sendmill import __version__
from sendmill.database_entry import database_entry
from sendmill.errors import SettingError
from sendmill.setting_values import (
    address,
    base_url,
    bearer_token,
    days,
    host_and_port,
    in_doubt,
    list_of_seconds,
    list_of_texts,
    log_format,
    log_level,
    mail_domain,
    path,
    positive_integer,
    seconds,
    servers,
    text,
)


class Setting(NamedTuple):
    """One environment variable: its name, its default as text, how it is read, and what it is for."""

    name: str
    default: str
    read: Callable[[str], Any]
    help: str


SETTINGS = (
    Setting("SENDMILL_DATA", "./sendmill-data", path,
            "Folder for the SQLite file, uploads, journals, the outbox and the generated secret key."),
    Setting("SENDMILL_DATABASE_URL", "", text,
            "`postgresql://user:password@host:port/name`. Empty: SQLite in the data folder."),
    Setting("SENDMILL_SMTP_URL", "outbox:", text,
            "Where mail goes: `outbox:` (a Maildir in the data folder) or "
            "`smtp://[user:pass@]host:port?tls=auto|none|starttls|implicit&connections=20&rate=100&verify=no`, "
            "comma-separated for several relays."),
    Setting("SENDMILL_BIND", "127.0.0.1:8080", host_and_port, "Address and port the web server listens on."),
    Setting("SENDMILL_PUBLIC_URL", "", base_url, "Base of links in mail. Empty: `http://` and the bind address."),
    Setting("SENDMILL_SECRET_KEY", "", text, "Key for signatures. Empty: generated into the data folder."),
    Setting("SENDMILL_SECRET_KEY_FALLBACKS", "", list_of_texts,
            "Earlier secret keys, comma-separated: what was made with them can still be read."),
    Setting("SENDMILL_WORKERS", str(os.cpu_count() or 1), positive_integer,
            "Delivery processes. Default: the number of cores."),
    Setting("SENDMILL_IN_DOUBT", "resend", in_doubt,
            "What happens to a message that was handed over but whose reply was lost: `resend` or `hold`."),
    Setting("SENDMILL_RETRY_SECONDS", "60,300,900,3600,7200", list_of_seconds,
            "Delays after each 4xx, with jitter; the last one is repeated until the campaign expires."),
    Setting("SENDMILL_EXPIRY_SECONDS", "172800", seconds,
            "How long after its start a campaign goes on retrying deferred recipients."),
    Setting("SENDMILL_LEASE_SECONDS", "30", seconds,
            "After this time without a sign of life, a worker's chunk is given to another."),
    Setting("SENDMILL_KEEP_RESULTS_DAYS", "", days,
            "How many days `sendmill prune` keeps the results of a campaign that has ended. Empty: for ever."),
    Setting("SENDMILL_KEEP_IMPORTS_DAYS", "", days,
            "How many days `sendmill prune` keeps what imports counted and rejected. Empty: for ever."),
    Setting("SENDMILL_KEEP_AUDIT_DAYS", "", days,
            "How many days `sendmill prune` keeps entries of the audit log. Empty: for ever."),
    Setting("SENDMILL_MAX_UPLOAD", "1073741824", positive_integer, "Largest request in bytes."),
    Setting("SENDMILL_DNS_SERVERS", "", servers,
            "DNS servers that the checks of sending domains ask, `address` or `address:port`, comma-separated. "
            "Empty: those of the system."),
    Setting("SENDMILL_METRICS_TOKEN", "", bearer_token,
            "What Prometheus has to show as `Authorization: Bearer …` to read `/metrics`. Empty: there is no "
            "`/metrics`."),
    Setting("SENDMILL_NOTICE_SENDER", "", address,
            "Address that mail to the dashboard's users comes from. Empty: `sendmill@` and the public URL's host."),
    Setting("SENDMILL_OIDC_ISSUER", "", base_url,
            "OpenID Connect provider that people may sign in with, below which "
            "`/.well-known/openid-configuration` is found. Empty: none."),
    Setting("SENDMILL_OIDC_CLIENT_ID", "", text, "This installation's id at that provider."),
    Setting("SENDMILL_OIDC_CLIENT_SECRET", "", text, "Its secret there."),
    Setting("SENDMILL_OIDC_NAME", "single sign-on", text, "What the button to sign in that way calls it."),
    Setting("SENDMILL_LOG_LEVEL", "info", log_level, "`debug`, `info`, `warning` or `error`."),
    Setting("SENDMILL_LOG_FORMAT", "auto", log_format,
            "`json`, `console`, or `auto`: console on a terminal, else JSON lines."),
)  # fmt: skip


def _read(setting: Setting) -> Any:
    given = os.environ.get(setting.name, "")
    try:
        return setting.read(given.strip() or setting.default)
    except ValueError as error:
        raise SettingError(setting.name, f"{given!r} can't be used: {error}.") from None


_values = {setting.name: _read(setting) for setting in SETTINGS}

SENDMILL_DATA: Path = _values["SENDMILL_DATA"]
SENDMILL_SMTP_URL: str = _values["SENDMILL_SMTP_URL"]
SENDMILL_BIND: tuple[str, int] = _values["SENDMILL_BIND"]
SENDMILL_SECRET_KEY_IS_SET = bool(_values["SENDMILL_SECRET_KEY"])
SENDMILL_WORKERS: int = _values["SENDMILL_WORKERS"]
SENDMILL_IN_DOUBT: Literal["resend", "hold"] = _values["SENDMILL_IN_DOUBT"]
SENDMILL_RETRY_SECONDS: tuple[float, ...] = _values["SENDMILL_RETRY_SECONDS"]
SENDMILL_EXPIRY_SECONDS: float = _values["SENDMILL_EXPIRY_SECONDS"]
SENDMILL_LEASE_SECONDS: float = _values["SENDMILL_LEASE_SECONDS"]
SENDMILL_KEEP_RESULTS_DAYS: int | None = _values["SENDMILL_KEEP_RESULTS_DAYS"]
SENDMILL_KEEP_IMPORTS_DAYS: int | None = _values["SENDMILL_KEEP_IMPORTS_DAYS"]
SENDMILL_KEEP_AUDIT_DAYS: int | None = _values["SENDMILL_KEEP_AUDIT_DAYS"]
SENDMILL_MAX_UPLOAD: int = _values["SENDMILL_MAX_UPLOAD"]
SENDMILL_DNS_SERVERS: tuple[tuple[str, int], ...] = _values["SENDMILL_DNS_SERVERS"]
SENDMILL_METRICS_TOKEN: str = _values["SENDMILL_METRICS_TOKEN"]
SENDMILL_LOG_LEVEL: str = _values["SENDMILL_LOG_LEVEL"]
SENDMILL_LOG_FORMAT: str = _values["SENDMILL_LOG_FORMAT"]

_host, _port = SENDMILL_BIND
_url_host = f"[{_host}]" if ":" in _host else _host
SENDMILL_PUBLIC_URL: str = _values["SENDMILL_PUBLIC_URL"] or f"http://{_url_host}:{_port}"


def _upload_folder() -> Path:
    """The folder where uploads are spooled, made if need be: the first use of the data folder."""
    folder = SENDMILL_DATA / "uploads"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError("SENDMILL_DATA", f"{SENDMILL_DATA} can't be used: {error.strerror}.") from None
    return folder


def _secret_key() -> str:
    """The key from the environment, else the one in the data folder, made there when first asked for."""
    if _values["SENDMILL_SECRET_KEY"]:
        return str(_values["SENDMILL_SECRET_KEY"])
    path = SENDMILL_DATA / "secret-key"
    try:
        # Written beside and linked into place, so that of several processes starting at once exactly one key wins.
        draft = path.with_name(f"secret-key.{os.getpid()}.{secrets.token_hex(4)}")
        if not path.exists():
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32))
                file.flush()
                os.fsync(descriptor)
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        key = path.read_text(errors="replace").strip()
    except OSError as error:
        raise SettingError("SENDMILL_DATA", f"{SENDMILL_DATA} can't be used: {error.strerror}.") from None
    if not key or "\ufffd" in key:
        raise SettingError("SENDMILL_DATA", f"{path} is empty or damaged: put the key of a backup there.")
    return key


def _single_sign_on() -> list[dict[str, Any]]:
    """django-allauth's entry for the OpenID Connect provider, if one is set."""
    names = ("SENDMILL_OIDC_ISSUER", "SENDMILL_OIDC_CLIENT_ID", "SENDMILL_OIDC_CLIENT_SECRET")
    issuer, client_id, secret = (_values[name] for name in names)
    if not issuer:
        return []
    for name in names[1:]:
        if not _values[name]:
            raise SettingError(name, "is needed beside SENDMILL_OIDC_ISSUER.")
    name = _values["SENDMILL_OIDC_NAME"]
    settings = {"server_url": issuer, "token_auth_method": "client_secret_basic"}
    return [{"provider_id": "oidc", "name": name, "client_id": client_id, "secret": secret, "settings": settings}]


# Django -------------------------------------------------------------------------------------------------------------

FILE_UPLOAD_TEMP_DIR = str(_upload_folder())
SECRET_KEY = _secret_key()
SECRET_KEY_FALLBACKS = list(_values["SENDMILL_SECRET_KEY_FALLBACKS"])
DEBUG = False
ALLOWED_HOSTS = ["*"]
DATABASES = {
    "default": database_entry(_values["SENDMILL_DATABASE_URL"], SENDMILL_DATA, _values["SENDMILL_LEASE_SECONDS"])
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "axes",
    # Before allauth, whose templates it replaces.
    "sendmill.web",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "sendmill.metrics",
    "sendmill.accounts",
    "sendmill.optouts",
    "sendmill.contacts",
    "sendmill.senders",
    "sendmill.content",
    "sendmill.campaigns",
    "sendmill.delivery",
    "sendmill.people",
    "sendmill.public",
    # Its tables exist on PostgreSQL alone.
    *(["procrastinate.contrib.django"] if DATABASES["default"]["ENGINE"].endswith("postgresql") else []),
]
ROOT_URLCONF = "sendmill.urls"
WSGI_APPLICATION = "sendmill.wsgi.application"
MIDDLEWARE = [
    "sendmill.api.metrics.measured",
    "sendmill.public.middleware.without_body",
    "sendmill.web.security.security_headers",
    "sendmill.api.middleware.content_length",
    "sendmill.api.middleware.multipart_content_type",
    "sendmill.api.middleware.trailing_slash",
    "sendmill.api.body.bounded_body",
    # The rest is for pages: the API's views know no session, and are exempt from CSRF as they take tokens alone.
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
APPEND_SLASH = False  # trailing_slash knows better
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.messages.context_processors.messages",
                "sendmill.web.frame.frame",
            ]
        },
    }
]
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
     "OPTIONS": {"user_attributes": ["email"]}},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]  # fmt: skip
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "web:overview"
_is_https = SENDMILL_PUBLIC_URL.startswith("https://")
SESSION_ENGINE = "sendmill.web.sessions"
SESSION_COOKIE_NAME = "sendmill_session"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _is_https
CSRF_COOKIE_NAME = "sendmill_csrf"
CSRF_FAILURE_VIEW = "sendmill.web.errors.csrf_failure"
CSRF_TRUSTED_ORIGINS = ["{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(SENDMILL_PUBLIC_URL))]

ACCOUNT_ADAPTER = "sendmill.web.sign_in.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "sendmill.web.sign_in_form.SignInForm",
    "reset_password": "sendmill.web.sign_in_form.NewPasswordForm",
}
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "sendmill.accounts.new_passwords.NewPasswordTokens"  # noqa: S105 - a class
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # an invitation is a confirmation
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_REAUTHENTICATION_REQUIRED = True
# Wrong codes of a second factor, of one user, wherever they come from. Wrong passwords are django-axes' to count.
ACCOUNT_RATE_LIMITS = {"login_failed": "5/5m/key"}
MFA_ADAPTER = "sendmill.web.sign_in.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_TOTP_ISSUER = "Sendmill"
MFA_TOTP_TOLERANCE = 1  # the code before, too: who types it needs some of its 30 seconds (RFC 6238 5.2)
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not _is_https  # browsers themselves allow it on localhost alone
SOCIALACCOUNT_ADAPTER = "sendmill.web.single_sign_on.SingleSignOnAdapter"
SOCIALACCOUNT_LOGIN_ON_GET = True  # a form that is sent elsewhere would need a looser policy than form-action 'self'
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": _single_sign_on(),
        "provider_class": "sendmill.web.single_sign_on.Provider",
    }
}
EMAIL_BACKEND = "sendmill.delivery.notices.RelayEmailBackend"
DEFAULT_FROM_EMAIL = _values["SENDMILL_NOTICE_SENDER"] or f"sendmill@{mail_domain(SENDMILL_PUBLIC_URL)}"

USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"

FILE_UPLOAD_HANDLERS = ["sendmill.api.body.NamelessFileUploadHandler"]
# What a request may hold beside files: it is all in memory.
DATA_UPLOAD_MAX_MEMORY_SIZE = min(16 * 1024 * 1024, SENDMILL_MAX_UPLOAD)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["sendmill.api.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["sendmill.api.authentication.HasToken"],
    "DEFAULT_PARSER_CLASSES": [
        "sendmill.api.body.JSONParser",
        "sendmill.api.body.FormParser",
        "sendmill.api.body.MultiPartParser",
    ],
    "DEFAULT_RENDERER_CLASSES": ["sendmill.api.negotiation.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "sendmill.api.negotiation.AlwaysJSON",
    "DEFAULT_METADATA_CLASS": "sendmill.api.negotiation.NoMetadata",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "sendmill.api.errors.answer_exception",
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Sendmill API",
    "VERSION": __version__,
    "DESCRIPTION": "Every path is served under the root and under `/api/v1`, with and without the slash at its end.",
    "OAS_VERSION": "3.1.0",
    "SERVERS": [{"url": "/"}, {"url": "/api/v1"}],
    "POSTPROCESSING_HOOKS": [],
    "DISABLE_DOCSTRING_DESCRIPTIONS": True,  # they are for who reads the code
}

# A login is locked for the user name and address that failed, so that nobody can lock others out.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=5)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "sendmill.api.login.client_address"
AXES_USERNAME_CALLABLE = "sendmill.web.sign_in.username_of"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # Retry-After is a promise
AXES_DISABLE_ACCESS_LOG = True  # it grows with every login
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

LOGGING_CONFIG = None
SILENCED_SYSTEM_CHECKS = ["axes.W002"]  # its middleware answers in HTML; sendmill.api answers a lock-out itself
