"""A program that takes a wrong turn is answered as a program, a person as a person."""

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.test import Client as Browser
from django.urls import include, path

from identity.roles import Role
from identity.web import public
from msplex import urls
from msplex.urls import handler400, handler403, handler404, handler500  # noqa: F401 -- Django looks for them here
from tenants.ids import uuid7
from tests.factories import make_tenant
from tests.identity.factories import make_machine

SECRET = "postgres://user:hunter2@db"
NOWHERE = ["/api/", "/api/v1/nothing/", "/api/v2/members/", "/oauth/nothing", "/.well-known/nothing"]
pytestmark = pytest.mark.usefixtures("whole_portal")


def _raising(error: Exception):
    @public("a test")
    def view(request: HttpRequest) -> HttpResponse:
        raise error

    return view


BROKEN = {
    "api/broken": (500, "server_error", _raising(RuntimeError(SECRET))),
    "api/denied": (403, "permission_denied", _raising(PermissionDenied(SECRET))),
    "api/suspicious": (400, "bad_request", _raising(SuspiciousOperation(SECRET))),
}
urlpatterns = [*(path(name, view) for name, (_, _, view) in BROKEN.items()), path("", include(urls))]


@pytest.mark.parametrize("signed_in", [False, True])
@pytest.mark.parametrize("address", NOWHERE)
def test_an_unknown_address_is_a_problem_like_an_unknown_object(address: str, signed_in: bool) -> None:
    api = make_machine(make_tenant(), Role.ADMIN).api()
    unknown = api.get(f"/api/v1/members/{uuid7()}/")

    response = (api if signed_in else Browser()).get(address)

    assert response.status_code == unknown.status_code == 404
    assert response["Content-Type"] == unknown["Content-Type"] == "application/problem+json"
    assert response.content == unknown.content


def test_an_unknown_page_stays_a_page() -> None:
    response = Browser().get("/nothing-here")
    assert (response.status_code, response["Content-Type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize("name", BROKEN)
def test_other_failures_are_problems_that_say_nothing_else(settings, name: str) -> None:
    settings.ROOT_URLCONF = __name__
    status, code, _ = BROKEN[name]

    response = Browser(raise_request_exception=False).get(f"/{name}")

    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    assert response.json()["code"] == code
    assert SECRET not in response.content.decode()
