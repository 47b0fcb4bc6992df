"""Who may call: tokens, roles, and logging in."""

from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import RequestFactory
from pytest_django.fixtures import Settings

from sendmill.accounts.clients import NewClient, add_client
from sendmill.accounts.models import Membership, Role
from sendmill.accounts.tokens import issue_token
from sendmill.api.login import client_address
from tests.database.api.conftest import Answer, Program, Tenant

LOGIN = "/auth/api-token-auth/"
PATHS = [
    "/email/senderid/", "/email/optout/", "/email/contact/", "/email/message/", "/email/campaign/",
    "/email/result/filter/", "/email/import/", "/email/import/rejected/",
]  # fmt: skip
REFUSED = {"non_field_errors": ["Unable to log in with provided credentials."]}


@pytest.mark.parametrize("mount", ["", "/api/v1"])
@pytest.mark.parametrize("path", PATHS)
def test_every_path_wants_a_token(db: None, mount: str, path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = Program(None).send(method, mount + path).expect(401)
        assert answer.json == {"detail": "Authentication credentials were not provided."}
        assert answer.headers["WWW-Authenticate"] == "Token"
        assert answer.content_type == "application/json"


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ("Token 9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b", "Invalid token."),
        ("Token x", "Invalid token."),
        ("token \xff\xfe", "Invalid token."),
        ("Token", "Invalid token header. No credentials provided."),
        ("Token a b", "Invalid token header. Token string should not contain spaces."),
        ("Bearer 9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b", "Authentication credentials were not provided."),
        ("", "Authentication credentials were not provided."),
    ],
)
def test_wrong_credentials(db: None, header: str, detail: str) -> None:
    answer = Program(None).send("GET", "/email/senderid/", HTTP_AUTHORIZATION=header).expect(401)

    assert answer.json == {"detail": detail}
    assert answer.headers["WWW-Authenticate"] == "Token"


def test_the_schemes_name_may_be_in_any_case(acme: Tenant) -> None:
    token = issue_token(acme.client, None, "program")

    Program(None).send("GET", "/email/senderid/", HTTP_AUTHORIZATION=f"tOKEN {token}").expect(200)


def test_a_viewer_reads_and_changes_nothing(acme: Tenant) -> None:
    sender = acme.api.post("/email/senderid/", {"description": "x", "email": "a@b.ch"})
    Membership.objects.update(role=Role.VIEWER)

    assert acme.api.get("/email/senderid/").json == [sender.json]
    for answer in (
        acme.api.post("/email/senderid/", {"description": "x", "email": "a@b.ch"}),
        acme.api.put(f"/email/senderid/?_id={sender.id}", {"description": "y"}),
        acme.api.delete(f"/email/senderid/?_id={sender.id}"),
    ):
        assert answer.expect(403).json == {"detail": "You do not have permission to perform this action."}
    assert acme.api.get("/email/senderid/").json == [sender.json]


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    """A real password takes 0.3 s to check, which is its point."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def account(db: None) -> NewClient:
    return add_client("Acme", "owner@acme.example", "correct horse")


def log_in(username: object = "owner@acme.example", password: object = "correct horse", **meta: str) -> Answer:
    return Answer(Program(None).http.post(LOGIN, {"username": username, "password": password}, format="json", **meta))


@pytest.mark.parametrize("mount", ["", "/api/v1"])
def test_a_login_answers_with_a_token_that_works(account: NewClient, mount: str) -> None:
    program = Program(None)
    body = {"username": " Owner@ACME.example", "password": "correct horse"}

    answers = [program.post(mount + LOGIN, body), program.upload(mount + LOGIN, body)]
    form = b"username=owner%40acme.example&password=correct+horse"
    answers.append(program.send("POST", mount + LOGIN, form, "application/x-www-form-urlencoded"))

    for answer in answers:
        assert list(answer.expect(200).json) == ["token", "client_id"]
        assert answer.json["client_id"] == account.client.object_id
        Program(answer.json["token"]).get("/email/senderid/").expect(200)
    assert len({answer.json["token"] for answer in answers}) == 3
    account.user.refresh_from_db()
    assert account.user.last_login is not None


def test_whoever_may_not_log_in_learns_nothing_about_why(account: NewClient) -> None:
    assert log_in(password="wrong").expect(400).json == REFUSED
    assert log_in(username="nobody@acme.example").expect(400).json == REFUSED

    account.user.is_active = False
    account.user.save()
    assert log_in().expect(400).json == REFUSED
    account.user.is_active = True
    account.user.save()
    log_in().expect(200)

    Membership.objects.all().delete()
    assert log_in().expect(400).json == REFUSED


class CountedHasher(PBKDF2PasswordHasher):
    """The hasher of production, which is what a login takes its time for."""

    hashed = 0

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        type(self).hashed += 1
        return super().encode(password, salt, iterations)


def test_it_takes_as_long_to_refuse_an_unknown_user_as_a_wrong_password(db: None, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.CountedHasher"]
    add_client("Acme", "owner@acme.example", "correct horse")

    def hashed(username: str) -> int:
        before = CountedHasher.hashed
        log_in(username, "wrong").expect(400)
        return CountedHasher.hashed - before

    assert hashed("owner@acme.example") == hashed("nobody@acme.example") == 1


def test_an_owner_without_a_password_cannot_log_in(db: None) -> None:
    add_client("Acme", "owner@acme.example")

    for password in ("", "None", "!"):
        log_in(password=password).expect(400)


def test_what_is_missing(db: None) -> None:
    required = ["This field is required."]

    assert Program(None).post(LOGIN, {}).expect(400).json == {"username": required, "password": required}
    assert Program(None).post(LOGIN, {"username": "a\0", "password": []}).expect(400).json == {
        "username": ["Null characters are not allowed."],
        "password": ["Not a valid string."],
    }
    assert list(log_in(username="x" * 100_000).expect(400).json) == ["username"]
    Program(None).send("GET", LOGIN).expect(405)


def test_repeated_failures_are_locked_out_for_that_user_and_address_alone(account: NewClient) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT - 1):
        log_in(password="wrong").expect(400)

    for password in ("wrong", "correct horse"):
        locked = log_in(password=password).expect(429)
        assert list(locked.json) == ["detail"]
        assert locked.content_type == "application/json"
        assert 0 < int(locked.headers["Retry-After"]) <= settings.AXES_COOLOFF_TIME.total_seconds()
    log_in(username="OWNER@acme.example").expect(429)
    attempt = AccessAttempt.objects.get()
    AccessAttempt.objects.update(attempt_time=attempt.attempt_time - timedelta(seconds=100))
    for _ in range(2):  # who tries again too early does not wait longer
        waiting = int(log_in(password="wrong").expect(429).headers["Retry-After"])
        assert waiting <= settings.AXES_COOLOFF_TIME.total_seconds() - 100

    log_in(REMOTE_ADDR="192.0.2.1").expect(200)
    log_in(username="nobody@acme.example").expect(400)


def test_the_lock_opens_when_its_time_is_over(account: NewClient) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT):
        log_in(password="wrong")
    log_in().expect(429)

    for attempt in AccessAttempt.objects.all():
        AccessAttempt.objects.update(attempt_time=attempt.attempt_time - settings.AXES_COOLOFF_TIME)

    log_in().expect(200)


def test_a_success_forgets_the_failures(account: NewClient) -> None:
    for _ in range(3):
        for _ in range(settings.AXES_FAILURE_LIMIT - 1):
            log_in(password="wrong").expect(400)
        log_in().expect(200)


def test_no_password_is_kept_of_a_failure(account: NewClient) -> None:
    body = b"username=owner%40acme.example&password=almost+right"
    Program(None).send("POST", LOGIN, body, "application/x-www-form-urlencoded").expect(400)

    kept = AccessAttempt.objects.values().get()
    assert not any("almost" in str(value) for value in kept.values())


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "10.0.0.1, 198.51.100.7", "198.51.100.7"),
        ("::1", "2001:db8::7", "2001:db8::7"),
        ("127.0.0.1", "10.0.0.1, nonsense", "127.0.0.1"),
        ("", "198.51.100.7", None),
    ],
)
def test_only_a_proxy_on_this_machine_says_where_a_request_comes_from(
    peer: str, forwarded: str, address: str | None
) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)

    assert client_address(request) == address
