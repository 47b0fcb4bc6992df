"""Clients, users, membership and API tokens."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils.crypto import salted_hmac

from sendmill.ids import new_object_id
from sendmill.languages import LANGUAGES


class Client(models.Model):
    """A tenant. Everything that users make belongs to exactly one client.

    `adds_footer`: messages without a link to unsubscribe get one at their end, with the postal address. `language` is
    that of the footer, and of the public pages for a browser that asks for none that they have.
    """

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    name = models.CharField(max_length=200)
    created_on = models.DateTimeField(auto_now_add=True)
    adds_footer = models.BooleanField(default=True, db_default=True)
    postal_address = models.TextField(default="", db_default="")
    language = models.CharField(max_length=10, default=LANGUAGES[0], db_default=LANGUAGES[0])

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    """Users are known by their email address, which is kept in lower case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A new user; without a password none can be used to log in."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person who logs in. What they may see is said by their memberships; `is_superuser` is an operator's mark.

    `timezone` is the one that pages show times in; without one it is the browser's. `deactivations` counts how often
    they were: sessions from before one don't come back with the user.
    """

    email = models.EmailField(max_length=254, unique=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    date_joined = models.DateTimeField(auto_now_add=True)
    timezone = models.CharField(max_length=64, blank=True, default="", db_default="")
    deactivations = models.PositiveIntegerField(default=0, db_default=0)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    def __str__(self) -> str:
        return self.email

    @property
    def is_operator(self) -> bool:
        """Whether this is one of the people who run the installation: they stand above all clients."""
        return self.is_superuser

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What a session has to hold to be this user's: Django's hash of the password, until a deactivation."""
        of_password: str = super()._get_session_auth_hash(secret)  # type: ignore[misc] # django-stubs doesn't know it
        if not self.deactivations:
            return of_password
        return salted_hmac(f"deactivation {self.deactivations}", of_password, secret, algorithm="sha256").hexdigest()


class Role(models.TextChoices):
    """What a member may do for a client."""

    OWNER = "owner"
    EDITOR = "editor"
    VIEWER = "viewer"


class Membership(models.Model):
    """A user's place in a client."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.OWNER)
    created_on = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["client", "user"], name="one_membership_per_client")]

    def __str__(self) -> str:
        return f"{self.user} in {self.client}"


class Invitation(models.Model):
    """A link with which one person becomes a member, once. Only the SHA-256 of its token is stored.

    Without a client it is the one that `sendmill run` prints: who uses it makes the first client, and is its owner and
    the installation's operator.
    """

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="invitations", null=True)
    email = models.EmailField(max_length=254, blank=True)
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.OWNER)
    digest = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, related_name="+", null=True)
    created_on = models.DateTimeField(auto_now_add=True)
    expires_on = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.email} as {self.role}"


class Via(models.TextChoices):
    """By what something was done."""

    DASHBOARD = "dashboard", "Dashboard"
    API = "api", "API"
    COMMAND = "command", "Command line"


class Kind(models.TextChoices):
    """What an entry of the audit log is about."""

    CAMPAIGNS = "campaigns", "Campaigns"
    MESSAGES = "messages", "Messages"
    CONTACTS = "contacts", "Contacts"
    OPTOUTS = "optouts", "Opt-outs"
    SENDERS = "senders", "Senders and DKIM keys"
    PEOPLE = "people", "People and roles"
    TOKENS = "tokens", "API tokens"
    SETTINGS = "settings", "Settings and limits"
    SIGN_IN = "sign-in", "Sign-in"


class AuditEntry(models.Model):
    """Something that somebody did. Without a client it concerns the installation, and operators see it.

    `actor` is the user's address, which stays when the user is gone; of a token that is nobody's the token, and of the
    command line the system's user. `token` is the one that was used.
    """

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+", null=True)
    user = models.ForeignKey(User, on_delete=models.SET_NULL, related_name="+", null=True)
    actor = models.CharField(max_length=254, blank=True, db_column="email")
    via = models.CharField(max_length=10, choices=Via.choices, default=Via.DASHBOARD, db_default=Via.DASHBOARD)
    token = models.CharField(max_length=254, blank=True, default="", db_default="")
    kind = models.CharField(max_length=10, choices=Kind.choices, blank=True, default="", db_default="")
    action = models.CharField(max_length=100)
    subject = models.CharField(max_length=500, blank=True)
    happened_on = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["client", "-id"], name="audit_of_client"),
            models.Index(fields=["client", "actor", "-id"], name="audit_of_actor"),
            models.Index(fields=["client", "kind", "-id"], name="audit_of_kind"),
            models.Index(fields=["client", "actor", "kind", "-id"], name="audit_of_actor_and_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.subject}"


class PasswordRequest(models.Model):
    """Somebody has asked for a new password, whether there is a user with this address or not: who asks can't tell."""

    email = models.EmailField(max_length=254)
    asked_on = models.DateTimeField()
    next_try_on = models.DateTimeField()

    def __str__(self) -> str:
        return self.email


class ApiToken(models.Model):
    """An API token: 40 hex digits that are shown once; only their SHA-256 is stored.

    A token has 160 random bits, so a plain hash can't be searched; the slow hashes are for passwords that people
    choose. It is found by its first 8 digits and the digests are compared in constant time.
    """

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="tokens")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens", null=True)
    name = models.CharField(max_length=200)
    prefix = models.CharField(max_length=8, db_index=True)
    digest = models.CharField(max_length=64)
    created_on = models.DateTimeField(auto_now_add=True)
    last_used_on = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class ClientResource(models.Model):
    """What every resource of the API has: its own object id, its client, and two times."""

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    created_on = models.DateTimeField()
    modified_on = models.DateTimeField()

    class Meta:
        abstract = True
