"""What no browser sends: it is answered with a page that says so, on both databases, and is no error of ours."""

import io

import pytest
from django.core.cache import cache
from django.test import Client as Browser

from sendmill.accounts.models import User
from sendmill.content.models import Message
from tests.database.web import made, making
from tests.database.web.conftest import PASSWORD, Tenant

LONG_ADDRESS = f"a@{'.'.join(['b' * 60] * 5)}.com"
UNSORTABLE = (
    b"--b\r\nContent-Disposition: form-data; name=x; filename*=utf-8''x; filename*0*=utf-8''y\r\n\r\nx\r\n--b--\r\n"
)


@pytest.fixture(autouse=True)
def counts_anew() -> None:
    cache.clear()


@pytest.mark.parametrize(
    "path",
    [
        "/clients/?q=%00",
        "/contacts/{group}/?q=a%00",
        "/opt-outs/?q=%00",
        "/opt-outs/?q=a&after=%00",
        "/settings/audit/?actor=%00",
        "/senders/domains/{domain}/keys/a%00b/delete/",
    ],
)
def test_an_address_with_a_nul_is_refused(acme: Tenant, path: str) -> None:
    address = path.format(group=made.group_id(acme.client), domain=made.domain(acme.client))
    answer = acme.owner.post(address) if path.endswith("/delete/") else acme.owner.get(address)
    assert answer.status_code == 400
    assert b"stands for nothing" in answer.content


def test_a_limit_that_cannot_be_is_not_there(operator: Browser, acme: Tenant) -> None:
    assert operator.post("/settings/delivery/remove/", {"kind": "domain", "name": "a\0b"}).status_code == 404


def test_where_to_go_on_may_be_nonsense(acme: Tenant) -> None:
    making.result_of(acme.client)
    digits = "9" * 5000
    assert acme.owner.get(f"/opt-outs/?after={digits}").status_code == 200
    assert acme.owner.get(f"/contacts/person/sent/?email=a@b.com&after=1-{digits}").status_code == 200


def test_any_cookie_is_as_good_as_none(anonymous: Browser) -> None:
    cookie = 'sendmill_session="aaaaaaaa\\000"; sendmill_csrf="\\000"; messages="\\000"; timezone="\\000"'
    assert anonymous.get("/", headers={"cookie": cookie})["Location"] == "/sign-in/?next=%2F"
    assert anonymous.get("/sign-in/", headers={"cookie": cookie}).status_code == 200


def test_a_part_of_a_page_that_is_nowhere_leads_to_the_sign_in(anonymous: Browser) -> None:
    answer = anonymous.get("/campaigns/", headers={"HX-Request": "true", "HX-Current-URL": "http://["})
    assert (answer.status_code, answer["HX-Redirect"]) == (401, "/sign-in/?next=%2F")


def test_an_address_longer_than_any_is_nobodys(zoe: User, anonymous: Browser) -> None:
    assert anonymous.post("/password/", {"email": LONG_ADDRESS})["Location"] == "/password/sent/"
    assert anonymous.post("/sign-in/", {"login": LONG_ADDRESS, "password": PASSWORD}).status_code == 200


def test_a_form_that_broke_off_is_no_shorter_one(acme: Tenant) -> None:
    """Of untold length, as a proxy may pass it on: only its last line says that it is whole."""
    acme.editor.raise_request_exception = False
    fields = {"description": "Hello", "email_message": "Dear {{ name }}, "}
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}' for name, text in fields.items()]
    beginning = "\r\n".join(parts).encode()
    for body, status in ((beginning, 400), (beginning + b"goodbye\r\n--b--\r\n", 302)):
        untold = {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True}
        answer = acme.editor.generic("POST", "/messages/new/", CONTENT_TYPE="multipart/form-data; boundary=b", **untold)
        assert answer.status_code == status
    assert Message.objects.get().email_message == "Dear {{ name }}, goodbye"


def test_a_form_that_cannot_be_read_is_refused(anonymous: Browser) -> None:
    answer = anonymous.generic("POST", "/sign-in/", UNSORTABLE, "multipart/form-data; boundary=b")
    assert answer.status_code == 400
