"""Every page, asked for by everybody: the route table is what holds, and nobody sees another client's things.

A new page is tested here as soon as it is in the table. Its path's parameters have to be in `MADE`.
"""

from collections.abc import Callable

import pytest
from django.test import Client as Browser
from django.urls import URLPattern, get_resolver, reverse

from sendmill.accounts.access import Access
from sendmill.accounts.models import Client, Role
from sendmill.web import routes
from sendmill.web.guard import Route
from tests.database.web import made
from tests.database.web.conftest import Tenant, person, signed_in

MADE: dict[str, Callable[[Client], str]] = {
    "group_id": made.group_id,
    "import_id": made.import_id,
    "erasure_id": made.erasure_id,
    "optout_id": made.optout_id,
    "sender_id": made.sender_id,
    "domain": made.domain,
    "selector": made.selector,
}
"""For each parameter of a path: makes what it names for a client, and returns what stands in the path."""

METHODS = [
    pytest.param(route, method, needed, id=f"{method} {route.name}")
    for route in routes.ROUTES
    for method, needed in (("GET", route.read), ("POST", route.write))
    if needed is not None
]
every_method = pytest.mark.parametrize(("route", "method", "needed"), METHODS)


def parameters(route: Route) -> list[str]:
    """The names of the path's parameters."""
    return [part.partition(":")[2].partition(">")[0] for part in route.path.split("<")[1:]]


def address(route: Route, client: Client) -> str:
    return reverse(f"web:{route.name}", kwargs={name: MADE[name](client) for name in parameters(route)})


def status(browser: Browser, method: str, path: str) -> int:
    return browser.generic(method, path, content_type="application/x-www-form-urlencoded").status_code


def test_every_page_is_in_the_table() -> None:
    web = next(found for found in get_resolver().url_patterns if getattr(found, "namespace", None) == "web")
    names = [found.name for found in web.url_patterns if isinstance(found, URLPattern)]
    assert names == [*(route.name for route in routes.ROUTES), "asset"]
    assert {name for route in routes.ROUTES for name in parameters(route)} <= set(MADE)


@every_method
def test_who_has_not_signed_in_is_sent_to_do_so(
    route: Route, method: str, needed: Access, anonymous: Browser, acme: Tenant
) -> None:
    path = address(route, acme.client)
    answer = anonymous.generic(method, path)
    sign_in = reverse("web:sign-in")
    if needed > Access.ANYONE:
        assert answer.status_code == 302
        assert answer["Location"].partition("?")[0] == sign_in
        assert anonymous.generic(method, path, headers={"HX-Request": "true"})["HX-Redirect"].startswith(sign_in)
    else:
        assert answer.status_code in (200, 302)


@every_method
def test_a_role_does_what_it_may_and_no_more(route: Route, method: str, needed: Access, acme: Tenant) -> None:
    path = address(route, acme.client)
    for browser, access in ((acme.viewer, Access.VIEWER), (acme.editor, Access.EDITOR), (acme.owner, Access.OWNER)):
        if access < needed:
            assert status(browser, method, path) == 403


@every_method
def test_an_operator_may_do_everything(
    route: Route, method: str, needed: Access, acme: Tenant, operator: Browser
) -> None:
    assert status(operator, method, address(route, acme.client)) not in (401, 403, 405, 500)


@every_method
def test_another_clients_things_are_not_there(
    route: Route, method: str, needed: Access, acme: Tenant, other: Tenant
) -> None:
    if parameters(route) and needed > Access.SIGNED_IN:
        assert status(acme.owner, method, address(route, other.client)) == 404


@pytest.mark.parametrize("route", routes.ROUTES, ids=lambda route: route.name)
def test_other_methods_are_not_taken(route: Route, acme: Tenant) -> None:
    path = address(route, acme.client)
    taken = {method for method, needed in (("GET", route.read), ("POST", route.write)) if needed is not None}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - taken:
        assert status(acme.owner, method, path) == 405


@pytest.mark.parametrize("route", [route for route in routes.ROUTES if route.write is not None], ids=lambda r: r.name)
def test_every_form_is_protected_against_forged_requests(route: Route, acme: Tenant) -> None:
    acme.owner.handler.enforce_csrf_checks = True
    answer = acme.owner.post(address(route, acme.client))
    assert answer.status_code == 403
    assert b"out of date" in answer.content


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
