"""Every page, asked for by everybody: the route table is what holds, and nobody sees another client's things.

A new page is tested here as soon as it is in the table. Its path's parameters have to be in `MADE`.
"""

from collections.abc import Callable

from django.test import Client as Browser
from django.urls import get_resolver, reverse

from sendmill.accounts import people
from sendmill.accounts.access import Access
from sendmill.accounts.models import Client, Role, User
from sendmill.accounts.tokens import issue_named_token
from sendmill.web import account_routes, routes
from sendmill.web.guard import Route
from tests.database.web import made as things
from tests.database.web import making
from tests.database.web.conftest import Tenant, person, signed_in


def owner_of(client: Client) -> User:
    return client.memberships.get(role=Role.OWNER).user


def invitation_of(client: Client) -> str:
    people.invite(client, f"invited@{client.name}.test", Role.VIEWER, owner_of(client))
    return str(client.invitations.values_list("pk", flat=True).last())


def token_of(client: Client) -> str:
    issue_named_token(client, "a program")
    return str(client.tokens.values_list("pk", flat=True).last())


MADE: dict[str, Callable[[Client], str]] = {
    # Of an account, not of a client
    "uidb36": lambda _: "1",
    "key": lambda _: "set-password",
    "provider_id": lambda _: "oidc",
    "pk": lambda _: "1",
    "token": lambda client: people.invite(client, f"new@{client.name}.test", Role.VIEWER, owner_of(client)),
    "user_id": lambda _: str(person(f"user{User.objects.count()}@sendmill.test").pk),
    # Of a client
    "membership_id": lambda client: str(client.memberships.order_by("-pk").values_list("pk", flat=True)[0]),
    "invitation_id": lambda client: invitation_of(client),
    "token_id": lambda client: token_of(client),
    "group_id": things.group_id,
    "import_id": things.import_id,
    "erasure_id": things.erasure_id,
    "optout_id": things.optout_id,
    "sender_id": things.sender_id,
    "domain": things.domain,
    "selector": things.selector,
    # Campaigns and messages
    "campaign_id": making.campaign_of,
    "message_id": making.message_of,
    "result_id": making.result_of,
}
"""For each parameter of a path: makes what it names for a client, and returns what stands in the path."""

EVERY_ROUTE = [*routes.ROUTES, *account_routes.ROUTES]
ALLOWED = [
    (route, method, needed)
    for route in EVERY_ROUTE
    for method, needed in (("GET", route.read), ("POST", route.write))
    if needed is not None
]
"""Each route once for each method that it takes, and who may use it."""
NOT_PAGES = {"", "healthz", "readyz", "metrics", "u/<str:token>", "subscribe-again/<str:token>", "v/<str:token>"}
"""Routes without a guard: the API's, the probes, and what recipients of mail follow."""
FORBIDDEN_BY_ITSELF = {
    "socialaccount_login_error", "account_reauthenticate", "mfa_reauthenticate", "mfa_reauthenticate_webauthn",
}  # fmt: skip
"""Pages that answer with 401 or 403 when nothing has led to them."""


def parameters(route: Route) -> list[str]:
    """The names of the path's parameters."""
    return [part.partition(":")[2].partition(">")[0] for part in route.path.split("<")[1:]]


def address(route: Route, client: Client, made: dict[str, Callable[[Client], str]] = MADE) -> str:
    name = f"web:{route.name}" if route in routes.ROUTES else route.name
    return reverse(name, kwargs={name: made[name](client) for name in parameters(route)})


def status(browser: Browser, method: str, path: str) -> int:
    return browser.generic(method, path, content_type="application/x-www-form-urlencoded").status_code


def test_every_page_is_in_the_table() -> None:
    """What is not the API's, nor public, has a row, and so a guard."""
    resolver = get_resolver()
    web = [found for found in resolver.url_patterns if getattr(found, "urlconf_name", None) in (routes, account_routes)]
    names = [found.name for part in web for found in part.url_patterns]
    assert names == [
        *(route.name for route in routes.ROUTES),
        "asset",
        *(route.name for route in account_routes.ROUTES),
    ]
    others = {str(found.pattern) for found in resolver.url_patterns if found not in web}
    assert {path for path in others if not path.startswith(("api/v1/", "static/"))} == NOT_PAGES
    assert {name for route in EVERY_ROUTE for name in parameters(route)} <= set(MADE)


def test_who_has_not_signed_in_is_sent_to_do_so(acme: Tenant) -> None:
    sign_in = reverse("account_login")
    for route, method, needed in ALLOWED:
        anonymous = Browser(headers={"accept": "text/html"})
        path = address(route, acme.client)
        answer = anonymous.generic(method, path)
        if needed == Access.ANYONE:
            assert answer.status_code < 500, route.name
        else:
            assert (answer.status_code, answer.get("Location", "").partition("?")[0]) == (302, sign_in), route.name
            partial = anonymous.generic(method, path, headers={"HX-Request": "true"})
            assert (partial.status_code, partial["HX-Redirect"].partition("?")[0]) == (401, sign_in), route.name


def test_a_role_does_what_it_may_and_no_more(acme: Tenant) -> None:
    browsers = {Access.VIEWER: acme.viewer, Access.EDITOR: acme.editor, Access.OWNER: acme.owner}
    for route, method, needed in ALLOWED:
        for access, browser in browsers.items():
            if access < needed:
                assert status(browser, method, address(route, acme.client)) == 403, (route.name, method, access.name)


def test_an_operator_may_do_everything(acme: Tenant) -> None:
    user = person("operator@sendmill.test", is_superuser=True)
    for route, method, _ in ALLOWED:
        answered = status(signed_in(user), method, address(route, acme.client))  # anew: one of them signs out
        refused = {405, 500} if route.name in FORBIDDEN_BY_ITSELF else {401, 403, 405, 500}
        assert answered not in refused, (route.name, method)


def test_another_clients_things_are_not_there(acme: Tenant, other: Tenant) -> None:
    for route, method, needed in ALLOWED:
        if parameters(route) and Access.SIGNED_IN < needed < Access.OPERATOR:
            assert status(acme.owner, method, address(route, other.client)) == 404, (route.name, method)


def test_other_methods_are_not_taken(acme: Tenant) -> None:
    for route in EVERY_ROUTE:
        taken = {method for found, method, _ in ALLOWED if found == route}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - taken:
            assert status(acme.owner, method, address(route, acme.client)) == 405, (route.name, method)


def test_every_form_is_protected_against_forged_requests(acme: Tenant) -> None:
    acme.owner.handler.enforce_csrf_checks = True
    for route, method, _ in ALLOWED:
        if method == "POST":
            answer = acme.owner.post(address(route, acme.client))
            assert answer.status_code == 403, route.name
            assert b"out of date" in answer.content, route.name


def test_who_leaves_a_client_or_is_deactivated_is_out_at_once(acme: Tenant, other: Tenant) -> None:
    user = person("both@acme.test", acme.client, Role.VIEWER)
    browser = signed_in(user)
    assert browser.get("/").context["client"] == acme.client
    browser.post("/clients/", {"client": other.client.object_id})
    assert browser.get("/").context["client"] == acme.client
    user.memberships.all().delete()
    assert browser.get("/").status_code == 403
    user.is_active = False
    user.save()
    assert browser.get("/").status_code == 302


def test_people_of_several_clients_choose(acme: Tenant, other: Tenant, operator: Browser) -> None:
    user = person("both@acme.test", acme.client, Role.VIEWER)
    user.memberships.create(client=other.client, role=Role.OWNER)
    browser = signed_in(user)
    for browser in (signed_in(user), operator):
        page = browser.get("/clients/")
        assert {client.name for client in page.context["clients"]} == {"acme", "other"}
        browser.post("/clients/", {"client": other.client.object_id})
        assert browser.get("/").context["client"] == other.client
    assert [client.name for client in operator.get("/clients/?q=ACM").context["clients"]] == ["acme"]
